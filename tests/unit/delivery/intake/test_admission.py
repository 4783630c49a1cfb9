"""Whether a transactional mail is accepted."""

from typing import Any
from uuid import UUID

import pytest

from libs.kernel.rejection import Rejected
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.emails import SendEmail
from services.delivery.intake.admission import DomainStatus, content_of, decide
from services.delivery.rendering.content import domain_of

TEMPLATE_ID = UUID(int=9)
CONTENT = Content(subject="Hi", body="<p>Hi</p>", from_email="me@Example.com", kind="TRANSACTIONAL")


def a_command(**changes: Any) -> SendEmail:
    usual: dict[str, Any] = {
        "email_id": UUID(int=1),
        "contact_id": UUID(int=2),
        "recipient": "ann@example.net",
        "subscribed": True,
        "content": CONTENT,
    }
    return SendEmail(**usual | changes)


def by_template(**changes: Any) -> SendEmail:
    return a_command(content=None, template_id=TEMPLATE_ID, **changes)


def rejection(command: SendEmail, content: Content, domain: DomainStatus = "verified") -> Rejected:
    with pytest.raises(Rejected) as rejected:
        decide(command, content, domain)
    return rejected.value


def test_a_mail_from_a_verified_domain_is_queued() -> None:
    (queued,) = decide(a_command(data={"code": 1}), CONTENT, "verified")
    assert (queued.source, queued.kind, queued.content, queued.data) == (
        "TRANSACTIONAL",
        "TRANSACTIONAL",
        CONTENT,
        {"code": 1},
    )


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("unknown", "DOMAIN_NOT_REGISTERED", 'Domain "example.com" is not registered.'),
        ("unverified", "DOMAIN_NOT_VERIFIED", 'Domain "example.com" is not verified.'),
    ],
)
def test_a_mail_from_an_unusable_domain_is_rejected(status: DomainStatus, code: str, words: str) -> None:
    rejected = rejection(a_command(), CONTENT, status)
    assert rejected.code == code and rejected.message.startswith(words)


def test_a_sender_without_a_domain_is_an_error_of_that_field() -> None:
    rejected = rejection(a_command(), Content(subject="x", body="x", from_email="nobody"), "unknown")
    assert rejected.code == "VALIDATION_ERROR" and rejected.errors[0].field == "from"


def test_a_template_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(Rejected) as rejected:
        content_of(by_template(), None)
    assert rejected.value.code == "TEMPLATE_NOT_FOUND"
    assert rejected.value.message == f'Template with ID "{TEMPLATE_ID}" was not found'
    assert rejected.value.details == {"resource": "Template", "id": str(TEMPLATE_ID)}


def test_overrides_replace_fields_of_the_template() -> None:
    content = content_of(by_template(overrides={"subject": "Other", "fromEmail": "you@example.org"}), CONTENT)
    assert (content.subject, domain_of(content), content.body) == ("Other", "example.org", CONTENT.body)


def test_an_override_of_the_wrong_type_is_rejected() -> None:
    with pytest.raises(Rejected) as rejected:
        content_of(by_template(overrides={"subject": 7}), CONTENT)
    assert rejected.value.code == "VALIDATION_ERROR"


def test_marketing_mail_to_an_unsubscribed_contact_is_rejected() -> None:
    marketing = Content(subject="x", body="x", from_email="me@example.com", kind="MARKETING")
    rejected = rejection(a_command(subscribed=False), marketing)
    assert rejected.code == "CONTACT_UNSUBSCRIBED"
    assert rejected.message.startswith("Cannot send marketing template to unsubscribed contact ann@example.net.")


@pytest.mark.parametrize("kind", ["TRANSACTIONAL", "HEADLESS"])
def test_other_mail_to_an_unsubscribed_contact_is_queued(kind: Any) -> None:
    content = Content(subject="x", body="x", from_email="me@example.com", kind=kind)
    (queued,) = decide(a_command(subscribed=False), content, "verified")
    assert queued.kind == kind


def test_an_error_in_a_template_is_reported_with_its_position() -> None:
    rejected = rejection(a_command(), Content(subject="x", body="line\n{% if %}", from_email="me@example.com"))
    assert (rejected.errors[0].field, rejected.errors[0].code) == ("body", "invalid_template")
    assert rejected.errors[0].message.startswith("Line 2, column ")


def test_a_body_that_is_too_large_for_the_bus_is_rejected() -> None:
    rejected = rejection(a_command(), Content(subject="x", body="x" * 800_000, from_email="me@example.com"))
    assert rejected.errors[0].code == "too_big"
