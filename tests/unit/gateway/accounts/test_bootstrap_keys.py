"""Which project the keys in the settings belong to, and which keys they replace."""

from uuid import uuid4

from libs.schemas.gateway import KeyIssued, KeyRevoked
from services.gateway.accounts.api_key import ApiKey
from services.gateway.accounts.bootstrap_keys import key_changes, project_of

PROJECT = uuid4()
OLD = ApiKey(project=PROJECT, id=uuid4(), kind="secret", fingerprint="old", from_settings=True)
PUBLIC = ApiKey(project=PROJECT, id=uuid4(), kind="public", fingerprint="public", from_settings=True)
BY_HAND = ApiKey(project=PROJECT, id=uuid4(), kind="secret", fingerprint="by hand")
NEW = KeyIssued(key_id=uuid4(), kind="secret", fingerprint="new", hint="sk_…")


def test_the_first_keys_have_no_project_yet() -> None:
    assert project_of(["new"], []) is None
    assert key_changes([NEW], [], PROJECT) == [NEW]


def test_a_new_key_belongs_to_the_project_of_those_before_it() -> None:
    assert project_of(["new"], [OLD, PUBLIC]) == PROJECT
    assert project_of(["new"], [BY_HAND]) is None


def test_a_known_key_keeps_its_project_whatever_came_after_it() -> None:
    later = ApiKey(project=uuid4(), id=uuid4(), kind="secret", fingerprint="later", from_settings=True)
    assert project_of(["old"], [OLD, later]) == PROJECT
    assert project_of(["unknown"], [OLD, later]) == later.project


def test_a_new_key_replaces_those_of_its_kind_from_the_settings_and_no_others() -> None:
    assert key_changes([NEW], [OLD, PUBLIC, BY_HAND], PROJECT) == [NEW, KeyRevoked(key_id=OLD.id or PROJECT)]


def test_a_key_that_is_known_changes_nothing_even_if_it_was_revoked() -> None:
    again = KeyIssued(key_id=uuid4(), kind="secret", fingerprint="old", hint="sk_…")
    revoked = ApiKey(project=PROJECT, id=OLD.id, kind="secret", fingerprint="old", from_settings=True, revoked=True)
    assert key_changes([again], [OLD, BY_HAND], PROJECT) == []
    assert key_changes([again], [revoked, PUBLIC], PROJECT) == []
