"""`/v1/send` from the call to the mailbox, and reading a mail afterwards."""

from base64 import b64encode
from email import message_from_string
from typing import Any
from uuid import uuid4

import pytest

from deploy.demo.api import Api, RequestFailed
from libs.runtime.process.testing import eventually
from tests.e2e.story import mails_to

MAIL: dict[str, Any] = {"subject": "Your order {{ order }}", "body": '<p>Hi {{ name }}</p><img src="cid:logo">'}


def address() -> str:
    return f"{uuid4().hex}@example.net"


async def test_a_mail_with_every_option(api: Api) -> None:
    to, pdf = address(), b"%PDF" + bytes(700_000)
    sent = await api.post(
        "/v1/send",
        MAIL
        | {
            "to": {"email": to, "name": "Ann Ü"},
            "reply": "help@example.com",
            "data": {"order": {"value": 42, "persistent": False}},
            "headers": {"X-Order": "42"},
            "tracking": False,
            "attachments": [
                {"filename": "Rechnung Ü.pdf", "content": b64encode(pdf).decode(), "contentType": "application/pdf"},
                {
                    "filename": "logo.png",
                    "content": b64encode(b"\x89PNG").decode(),
                    "contentType": "image/png",
                    "contentId": "logo",
                    "disposition": "inline",
                },
            ],
        },
    )
    (email,) = sent["emails"]
    (mail,) = await eventually(lambda: mails_to(api, to))
    assert mail["configurationSet"] == "godwit-no-tracking"
    parsed = message_from_string(mail["raw"])
    files = {part.get_content_type(): part.get_payload(decode=True) for part in parsed.walk() if part.get_filename()}
    assert files == {"application/pdf": pdf, "image/png": b"\x89PNG"}
    assert (mail["subject"], mail["text"].strip(), parsed["X-Order"]) == ("Your order 42", "Hi Ann Ü", "42")
    assert mail["from"] == "no-reply@example.com" and parsed["Reply-To"] == "help@example.com"
    contact = await api.get(f"/contacts/{email['contact']['id']}")
    assert (contact["data"], contact["subscribed"]) == ({"name": "Ann Ü"}, False)
    assert sent["data"]["emails"] == sent["emails"]

    async def told() -> list[str] | None:
        timeline = (await api.get(f"/emails/{email['email']}"))["timeline"]
        types = [entry["type"] for entry in timeline]
        return types if {"email.sent", "email.delivered"} <= {*types} else None

    assert await eventually(told) == ["email.queued", "email.sent", "email.confirmed", "email.delivered"]
    page = await api.get("/emails", to=to.upper(), source="TRANSACTIONAL")
    assert [each["id"] for each in page["data"]] == [email["email"]]
    known = await api.get(f"/emails/{email['email']}/feedback")
    assert known["deliveredAt"] and known["bouncedAt"] is None and known["opens"] == 0


async def test_an_email_that_the_project_does_not_have_has_no_feedback(api: Api) -> None:
    with pytest.raises(RequestFailed, match="EMAIL_NOT_FOUND"):
        await api.get(f"/emails/{uuid4()}/feedback")


async def test_the_ledger_adds_up_and_mail_is_sent(api: Api) -> None:
    assert (await api.get("/sending"))["paused"] is False
    to = address()
    await api.post("/v1/send", MAIL | {"to": to})
    await eventually(lambda: mails_to(api, to))
    ledger = await api.get("/emails/ledger")
    states = ("queued", "claimed", "unknown", "sent", "failed", "suppressed", "cancelled")
    assert ledger["intents"] == sum(ledger[state] for state in states) > 0


async def test_several_recipients_get_one_mail_each(api: Api) -> None:
    to = [address() for _ in range(3)]
    sent = await api.post("/v1/send", MAIL | {"to": to, "from": {"name": "Team", "email": "team@example.com"}})
    assert [each["contact"]["email"] for each in sent["emails"]] == to
    for each in to:
        (mail,) = await eventually(lambda each=each: mails_to(api, each))  # type: ignore[misc]  # mypy cannot infer it
        assert mail["to"] == [each]


@pytest.mark.parametrize("doing", ["cancel", "resend"])
async def test_a_sent_mail_cannot_be_cancelled_or_resent(api: Api, doing: str) -> None:
    to = address()
    (email,) = (await api.post("/v1/send", MAIL | {"to": to}))["emails"]
    await eventually(lambda: mails_to(api, to))

    async def is_sent() -> bool:
        return bool((await api.get(f"/emails/{email['email']}"))["state"] == "sent")

    await eventually(is_sent)
    code = {"cancel": "EMAIL_NOT_CANCELLABLE", "resend": "EMAIL_ALREADY_SENT"}[doing]
    with pytest.raises(RequestFailed, match=code):
        await api.post(f"/emails/{email['email']}/{doing}", {})
