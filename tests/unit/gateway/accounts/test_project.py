"""Changes to a project."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.gateway import ProjectUpdated, UpdateProject
from services.gateway.accounts.project import Project, decide, evolve

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PROJECT = Project(id=uuid4(), name="Tea", language="de", timezone="Europe/Berlin", untracked=True)


def updated(project: Project = PROJECT, **changes: Any) -> list[ProjectUpdated]:
    return decide(UpdateProject(project_id=uuid4(), **changes), project, NOW)


def test_fields_that_are_not_given_stay_as_they_are() -> None:
    [event] = updated(timezone="America/New_York")
    assert (event.name, event.language, event.timezone, event.tracking) == ("Tea", "de", "America/New_York", True)
    assert evolve(PROJECT, event).timezone == "America/New_York"


def test_null_unsets_language_and_time_zone() -> None:
    [event] = updated(language=None, timezone=None)
    assert (event.language, event.timezone) == (None, None)


def test_an_update_to_the_same_values_changes_nothing() -> None:
    assert updated(name="Tea", timezone="Europe/Berlin", tracking=True) == []


@pytest.mark.parametrize("wrong", ["Berlin", "CET+1", "../zone", "Europe", " Europe/Berlin"])
def test_a_time_zone_must_be_in_the_iana_database(wrong: str) -> None:
    with pytest.raises(Rejected) as no:
        updated(timezone=wrong)
    assert [error.field for error in no.value.errors] == ["timezone"]


def test_tracking_is_turned_off_only_if_mails_can_be_sent_without_it() -> None:
    [event] = updated(tracking=False)
    assert not evolve(PROJECT, event).tracking
    with pytest.raises(Rejected) as no:
        updated(replace(PROJECT, untracked=False), tracking=False)
    assert [error.field for error in no.value.errors] == ["tracking"]


def test_an_unknown_project_cannot_be_changed() -> None:
    with pytest.raises(Rejected) as no:
        updated(Project(), name="x")
    assert no.value.code == "PROJECT_NOT_FOUND"
