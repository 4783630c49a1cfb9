"""From the body of /v1/send to recipients, content and variables."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from services.gateway.json_body import decode
from services.gateway.problems import Problem
from services.gateway.routes import send
from services.gateway.routes.send import SendBody

MAIL: dict[str, Any] = {"to": "ada@example.com", "subject": "Hi", "body": "<p>Hi</p>", "from": "me@example.com"}


def body(**changes: Any) -> SendBody:
    given = {name: value for name, value in (MAIL | changes).items() if value is not None}
    decoded: SendBody = decode(SendBody, msgspec.json.encode(given))
    return decoded


def field_refused(**changes: Any) -> tuple[str, str]:
    with pytest.raises(Problem) as refused:
        send._check(body(**changes))
    [error] = refused.value.errors
    return error.field, error.code


def test_a_mail_needs_a_template_or_subject_and_body_and_then_a_sender() -> None:
    assert field_refused(subject=None) == ("template", "required")
    assert field_refused(body=None) == ("template", "required")
    assert field_refused(**{"from": None}) == ("from", "required")
    send._check(body(template=str(uuid4()), subject=None, body=None, **{"from": None}))


def test_what_cannot_be_done_yet_is_refused_rather_than_left_out() -> None:
    assert field_refused(attachments=[{"filename": "a"}]) == ("attachments", "unsupported")
    assert field_refused(headers={"X-A": "b"}) == ("headers", "unsupported")


@pytest.mark.parametrize("subject", ["", "Hi\nBcc: eve@example.com", "a\rb", "x" * 999])
def test_a_subject_is_one_line_of_a_header(subject: str) -> None:
    with pytest.raises(Problem):
        body(subject=subject)


def test_recipients_may_be_one_or_many_named_or_not_and_each_gets_one_mail() -> None:
    given = ["ada@example.com", {"email": "ADA@example.com ", "name": "Ada"}, "bob@example.com"]
    assert [person.email for person in send._people(body(to=given))] == ["ada@example.com", "bob@example.com"]
    assert [person.name for person in send._people(body(to={"email": "a@b.co", "name": "Ada"}))] == ["Ada"]


@pytest.mark.parametrize(
    ("to", "field"),
    [
        ([], "to"),
        (["a@b.co"] * 101, "to"),
        (5, "to"),
        ({"name": "Ada"}, "to.email"),
        ({"email": "nope"}, "to.email"),
        ("nope", "to"),
        (["a@b.co", "nope"], "to.1"),
        (["a@b.co", {"email": "b@b.co"}, "a" * 300 + "@b.co"], "to.2"),
    ],
)
def test_recipients_that_are_none_are_refused_by_their_place(to: Any, field: str) -> None:
    for _ in range(200):  # the decoder's memory must survive what it refuses
        with pytest.raises(Problem) as refused:
            send._people(body(to=to))
        assert refused.value.errors[0].field == field


def test_the_name_in_from_wins_over_the_name_beside_it() -> None:
    named = body(**{"from": {"email": "me@example.com", "name": "Me"}, "name": "Other"})
    assert (send._content(named).from_email, send._content(named).from_name) == ("me@example.com", "Me")
    assert send._content(body(name="Other")).from_name == "Other"


def test_what_is_given_beside_a_template_overrides_it() -> None:
    given = body(template=str(uuid4()), body=None, reply="re@example.com")
    assert send._overrides(given) == {"subject": "Hi", "fromEmail": "me@example.com", "replyTo": "re@example.com"}


def test_values_that_are_not_to_be_stored_still_fill_the_mail() -> None:
    data = {"code": {"value": 42, "persistent": False}, "plan": {"value": "pro", "persistent": True}, "name": "Ada"}
    assert send._variables(data) == {"code": 42, "plan": "pro", "name": "Ada"}
    assert send._variables({"odd": {"value": 1}}) == {"odd": {"value": 1}}
