"""The template decider."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from msgspec.structs import replace

from libs.runtime.rejection import Rejected
from libs.schemas.campaigns import CreateTemplate, TemplateCreated
from libs.schemas.delivery import Content
from services.campaigns import template
from services.campaigns.template import Absent, State, decide, evolve

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CONTENT = Content(subject="Hi {{ name ?? there }}", body="<p>Hello</p>", from_email="us@Example.com")
CREATE = CreateTemplate(template_id=uuid4(), name="Welcome", content=CONTENT, description="first mail")
CREATED = TemplateCreated(template_id=CREATE.template_id, name="Welcome", content=CONTENT, description="first mail")
ALLOWED = Absent(frozenset({"example.com"}))


def refusal(command: CreateTemplate, state: State = ALLOWED) -> Rejected:
    with pytest.raises(Rejected) as no:
        decide(command, state, NOW)
    return no.value


def test_a_template_is_created_as_it_was_written() -> None:
    assert decide(CREATE, ALLOWED, NOW) == [CREATED]


def test_creating_the_same_template_again_changes_nothing() -> None:
    assert decide(CREATE, evolve(template.INITIAL, CREATED), NOW) == []


def test_another_template_cannot_take_the_id() -> None:
    assert refusal(replace(CREATE, name="Other"), evolve(template.INITIAL, CREATED)).code == "CONFLICT"


def test_a_sender_domain_that_is_not_verified_is_refused_by_name() -> None:
    no = refusal(CREATE, template.INITIAL)
    assert no.code == "DOMAIN_NOT_VERIFIED"
    assert no.message.startswith('Domain "example.com" is not verified. ')


def test_an_address_without_a_domain_is_not_verified() -> None:
    content = replace(CONTENT, from_email="example.com")
    assert refusal(replace(CREATE, content=content)).code == "DOMAIN_NOT_VERIFIED"


def test_mistakes_in_subject_and_body_are_both_named_with_their_places() -> None:
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


def test_content_that_does_not_fit_into_a_message_is_refused() -> None:
    no = refusal(replace(CREATE, content=replace(CONTENT, body="x" * 800_000)))
    assert [(error.field, error.code) for error in no.errors] == [("body", "too_big")]
