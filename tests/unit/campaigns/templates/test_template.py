"""The template decider."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.campaigns.templates import (
    CreateTemplate,
    DeleteTemplate,
    DuplicateTemplate,
    RestoreTemplate,
    TemplateContent,
    TemplateCreated,
    TemplateDeleted,
    TemplateUpdated,
    UpdateTemplate,
)
from libs.schemas.delivery.content import Content
from services.campaigns.templates import template
from services.campaigns.templates.template import (
    Absent,
    Command,
    State,
    Template,
    decide,
    evolve,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CONTENT = Content(subject="Hi {{ name ?? there }}", body="<p>Hello</p>", from_email="us@Example.com")
CREATE = CreateTemplate(template_id=uuid4(), name="Welcome", content=CONTENT, description="first mail")
CREATED = TemplateCreated(template_id=CREATE.template_id, name="Welcome", content=CONTENT, description="first mail")
ALLOWED = Absent(verified_domains=frozenset({"example.com"}))


def refusal(command: Command, state: State = ALLOWED) -> Rejected:
    with pytest.raises(Rejected) as no:
        decide(command, state, NOW)
    return no.value


def test_a_template_is_created_with_the_given_content() -> None:
    assert decide(CREATE, ALLOWED, NOW) == [CREATED]


def test_creating_the_same_template_again_changes_nothing() -> None:
    assert decide(CREATE, evolve(template.INITIAL, CREATED), NOW) == []


def test_another_template_cannot_take_the_id() -> None:
    assert refusal(replace(CREATE, name="Other"), evolve(template.INITIAL, CREATED)).code == "CONFLICT"


def test_an_unverified_sender_domain_is_rejected_by_name() -> None:
    no = refusal(CREATE, template.INITIAL)
    assert no.code == "DOMAIN_NOT_VERIFIED"
    assert no.message.startswith('Domain "example.com" is not verified. ')


def test_an_address_without_a_domain_is_not_verified() -> None:
    content = replace(CONTENT, from_email="example.com")
    assert refusal(replace(CREATE, content=content)).code == "DOMAIN_NOT_VERIFIED"


def test_syntax_errors_in_subject_and_body_are_reported_with_their_positions() -> None:
    content = replace(CONTENT, subject="{{ oops", body="a\n{{ b = c }}")
    no = refusal(replace(CREATE, content=content))
    assert no.code == "VALIDATION_ERROR"
    assert [(error.field, error.message.partition(":")[0]) for error in no.errors] == [
        ("subject", "Line 1, column 1"),
        ("body", "Line 2, column 6"),
    ]


def test_a_subject_is_one_line() -> None:
    content = replace(CONTENT, subject="Hi\r\nBcc: everyone@example.com")
    assert [error.field for error in refusal(replace(CREATE, content=content)).errors] == ["subject"]


def test_content_that_does_not_fit_into_one_message_is_rejected() -> None:
    no = refusal(replace(CREATE, content=replace(CONTENT, body="x" * 800_000)))
    assert [(error.field, error.code) for error in no.errors] == [("body", "too_big")]


def stored(**facts: Any) -> Template:
    """Return the template as it would be loaded."""
    state = evolve(template.INITIAL, CREATED)
    assert isinstance(state, Template)
    return replace(state, verified_domains=frozenset({"example.com"}), **facts)


ID = CREATE.template_id


@pytest.mark.parametrize(
    "command",
    [
        UpdateTemplate(template_id=ID, name="x"),
        RestoreTemplate(template_id=ID, version=1),
        DeleteTemplate(template_id=ID),
        DuplicateTemplate(template_id=ID, original_id=ID),
    ],
)
def test_a_missing_template_is_not_found(command: Command) -> None:
    assert refusal(command, template.INITIAL).code == "TEMPLATE_NOT_FOUND"
    assert refusal(command, evolve(stored(), TemplateDeleted(template_id=ID))).code == "TEMPLATE_NOT_FOUND"


def test_only_the_given_fields_are_changed() -> None:
    command = UpdateTemplate(template_id=ID, subject="New", from_name="Us", description=None)
    content = replace(CONTENT, subject="New", from_name="Us")
    assert decide(command, stored(), NOW) == [TemplateUpdated(template_id=ID, name="Welcome", content=content)]


def test_an_update_without_a_difference_appends_nothing() -> None:
    assert decide(UpdateTemplate(template_id=ID, name="Welcome"), stored(), NOW) == []


def test_an_update_is_checked_like_a_new_template() -> None:
    assert [error.field for error in refusal(UpdateTemplate(template_id=ID, body="{% x %}"), stored()).errors] == [
        "body"
    ]
    assert refusal(UpdateTemplate(template_id=ID, from_email="a@b.c"), stored()).code == "DOMAIN_NOT_VERIFIED"


def test_a_duplicate_has_the_same_content_and_a_name_that_says_so() -> None:
    command = DuplicateTemplate(template_id=uuid4(), original_id=ID)
    [copy] = decide(command, Absent(original=stored().current), NOW)
    assert copy == replace(CREATED, template_id=command.template_id, name="Welcome (Copy)")


def test_a_restored_version_becomes_a_new_version() -> None:
    past = TemplateContent(template_id=ID, name="Old", description=None, content=replace(CONTENT, subject="Old"))
    [updated] = decide(RestoreTemplate(template_id=ID, version=1), stored(past={1: past}), NOW)
    assert updated == TemplateUpdated(template_id=ID, name="Old", content=past.content, restored=1)
    after = evolve(stored(), updated)
    assert isinstance(after, Template)
    assert (after.current, after.version) == (past, 2)


def test_two_restores_of_one_batch_each_restore_their_own_version() -> None:
    first, second = (TemplateContent(template_id=ID, name=name, content=CONTENT) for name in ("First", "Second"))
    state: State = stored(past={1: first, 2: second})
    for version, content in ((1, first), (2, second)):
        [updated] = decide(RestoreTemplate(template_id=ID, version=version), state, NOW)
        assert updated == TemplateUpdated(template_id=ID, name=content.name, content=CONTENT, restored=version)
        state = evolve(state, updated)


def test_an_unknown_version_is_not_found() -> None:
    assert refusal(RestoreTemplate(template_id=ID, version=9), stored()).code == "TEMPLATE_VERSION_NOT_FOUND"


def test_a_template_is_deleted_unless_a_campaign_uses_it() -> None:
    assert decide(DeleteTemplate(template_id=ID), stored(), NOW) == [TemplateDeleted(template_id=ID)]
    no = refusal(DeleteTemplate(template_id=ID), stored(campaigns=2))
    assert (no.code, no.details) == ("TEMPLATE_IN_USE", {"campaigns": 2})
