"""The body of /v1/send becomes recipients, content and variables."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest
from msgspec.structs import replace

from libs.schemas.delivery.content import Content
from services.gateway.http.errors import ApiError
from services.gateway.http.json_body import decode
from services.gateway.mails import send_request
from services.gateway.mails.send_request import SendBody

MAIL: dict[str, Any] = {"to": "ada@example.com", "subject": "Hi", "body": "<p>Hi</p>", "from": "me@example.com"}


def body(**changes: Any) -> SendBody:
    given = {name: value for name, value in (MAIL | changes).items() if value is not None}
    decoded: SendBody = decode(SendBody, msgspec.json.encode(given))
    return decoded


def rejected_field(**changes: Any) -> tuple[str, str]:
    with pytest.raises(ApiError) as raised:
        send_request.validate(body(**changes))
    [error] = raised.value.errors
    return error.field, error.code


def test_a_mail_needs_a_template_or_subject_and_body() -> None:
    assert rejected_field(subject=None) == ("template", "required")
    assert rejected_field(body=None) == ("template", "required")
    send_request.validate(body(template=str(uuid4()), subject=None, body=None, **{"from": None}))


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"from": "nobody"}, "from", "invalid_string"),
        ({"from": {"email": "a@b@c.example"}}, "from.email", "invalid_string"),
        ({"from": ""}, "from", "invalid_string"),
        ({"reply": "x"}, "reply", "invalid_string"),
        ({"body": "ü" * 400_000}, "body", "too_big"),
        ({"headers": {"Bcc": "x@example.com"}}, "headers.Bcc", "not_allowed"),
        ({"headers": {"X-A": "b\r\nBcc: x@example.com"}}, "headers.X-A", "invalid_string"),
        ({"headers": {"X-A\r\nBcc": "b"}}, "headers.X-A\r\nBcc", "invalid_string"),
        ({"headers": {"X-A": 1}}, "headers.X-A", "invalid_type"),
        ({"headers": {f"X-{n}": "" for n in range(21)}}, "headers", "too_big"),
    ],
)
def test_an_error_names_the_path_of_its_field(changes: dict[str, Any], field: str, code: str) -> None:
    assert rejected_field(**changes) == (field, code)


@pytest.mark.parametrize("subject", ["", "Hi\nBcc: eve@example.com", "a\rb", "x" * 999])
def test_a_subject_is_one_line_of_a_header(subject: str) -> None:
    with pytest.raises(ApiError):
        body(subject=subject)


def test_one_or_many_recipients_with_or_without_names_get_one_mail_each() -> None:
    given = ["ada@example.com", {"email": "ADA@example.com ", "name": "Ada"}, "bob@example.com"]
    assert [person.email for person in send_request.recipients_of(body(to=given))] == [
        "ada@example.com",
        "bob@example.com",
    ]
    assert [person.name for person in send_request.recipients_of(body(to={"email": "a@b.co", "name": "Ada"}))] == [
        "Ada"
    ]


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
def test_invalid_recipients_are_rejected_by_their_path(to: Any, field: str) -> None:
    for _ in range(200):  # the decoder's memory must survive what it refuses
        with pytest.raises(ApiError) as raised:
            send_request.validate(body(to=to))
        assert raised.value.errors[0].field == field


def content_in(data: SendBody) -> Content:
    content = send_request.draft_of(data).content
    assert content is not None
    return content


def test_the_name_in_from_overrides_the_separate_name() -> None:
    named = content_in(body(**{"from": {"email": "me@example.com", "name": "Me"}, "name": "Other"}))
    assert (named.from_email, named.from_name) == ("me@example.com", "Me")
    assert content_in(body(name="Other")).from_name == "Other"
    assert content_in(body(**{"from": None})).from_email == ""


def test_fields_besides_a_template_override_it() -> None:
    given = send_request.draft_of(body(template=str(uuid4()), body=None, reply="re@example.com"))
    assert given.content is None
    assert given.overrides == {"subject": "Hi", "fromEmail": "me@example.com", "replyTo": "re@example.com"}


def test_only_plain_text_is_left_out_of_a_draft() -> None:
    plain, filled = send_request.draft_of(body()), send_request.draft_of(body(subject="Hi {{ name }}"))
    assert send_request.without_plain_text(filled) == filled
    assert send_request.without_plain_text(plain).content == replace(content_in(body()), subject="", body="")
