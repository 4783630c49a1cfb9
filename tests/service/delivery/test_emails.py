"""Single mails: found, told of, cancelled while they wait, and sent again when nobody knows."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.messaging.bus import ask
from libs.runtime.process.testing import tell
from libs.schemas.delivery.emails import (
    CancelEmail,
    EmailDetail,
    EmailPage,
    EmailView,
    GetEmail,
    ListEmails,
    ResendEmail,
)
from tests.service.delivery.driver import Office, content
from tests.service.delivery.sandbox import Sandbox


async def waiting(office: Office) -> UUID:
    """A mail that is queued, and will not be due while the test runs: its contact and content never come."""
    campaign_id = uuid4()
    await office.page(campaign_id, await office.contacts(1))
    await office.become({"queued": 1})
    (email_id,) = await office.ids()
    return email_id


async def cancel(office: Office, email_id: UUID) -> EmailView:
    return await tell(office.client, office.project, CancelEmail(email_id=email_id), EmailView)


async def resend(office: Office, email_id: UUID) -> EmailView:
    return await tell(office.client, office.project, ResendEmail(email_id=email_id), EmailView)


async def code_of(doing: Any) -> str:
    with pytest.raises(Rejected) as no:
        await doing
    return no.value.code


async def life(office: Office, email_id: UUID) -> EmailDetail:
    return await ask(office.client, office.project, GetEmail(email_id=email_id), EmailDetail)


async def test_a_queued_mail_can_be_cancelled_once_and_for_all(office: Office) -> None:
    email_id = await waiting(office)
    cancelled = await cancel(office, email_id)
    assert (cancelled.state, cancelled.reason) == ("cancelled", "requested")
    assert await cancel(office, email_id) == cancelled
    assert [entry.type_ for entry in (await life(office, email_id)).timeline] == ["email.queued", "email.cancelled"]
    assert await code_of(resend(office, email_id)) == "EMAIL_NOT_UNKNOWN"


async def test_what_is_sent_can_be_neither_cancelled_nor_sent_again(office: Office) -> None:
    await office.campaign(await office.contacts(1))
    await office.become({"sent": 1})
    (email_id,) = await office.ids()
    assert await code_of(cancel(office, email_id)) == "EMAIL_NOT_CANCELLABLE"
    assert await code_of(resend(office, email_id)) == "EMAIL_ALREADY_SENT"


async def test_another_projects_mail_is_not_there(office: Office) -> None:
    email_id = await waiting(office)
    stranger = Office(office.runtime, uuid4())
    for doing in (cancel(stranger, email_id), resend(stranger, email_id), life(stranger, email_id)):
        assert await code_of(doing) == "EMAIL_NOT_FOUND"
    assert await office.states() == {"queued": 1}


async def test_an_operator_may_send_a_mail_again_whose_outcome_nobody_knows(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "error_500", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    (email_id,) = await office.ids()
    assert await code_of(cancel(office, email_id)) == "EMAIL_NOT_CANCELLABLE"
    assert (await resend(office, email_id)).state == "queued"
    await office.become({"sent": 1})
    detail = await life(office, email_id)
    assert [entry.type_ for entry in detail.timeline] == [
        "email.queued",
        "email.unresolved",
        "email.requeued",
        "email.sent",
    ]
    assert detail.timeline[2].details == {"attempt": 2, "by": "operator"}
    assert "operator" in detail.timeline[2].message and "attempt 2" in detail.timeline[3].message
    assert len(sandbox.of_project(office.project)) == 1


async def test_the_timeline_says_how_a_doubt_was_resolved(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "reset_after_accept", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    (mail,) = sandbox.of_project(office.project)
    await office.confirm(UUID(mail["emailId"]), mail["id"])
    await office.become({"sent": 1})
    last = (await life(office, UUID(mail["emailId"]))).timeline[-1]
    assert last.details["resolved"] is True and "a notification proved" in last.message


async def test_mails_are_found_by_what_they_are(office: Office) -> None:
    await office.verify_domain()
    one, other = await office.contacts(2)
    await office.campaign([one])
    queued = await office.send(other, content=content("TRANSACTIONAL"))
    await office.become({"sent": 2})
    sent = await life(office, queued.email)
    for query in (
        ListEmails(contact_id=other),
        ListEmails(source="TRANSACTIONAL"),
        ListEmails(recipient=sent.recipient.upper()),
        ListEmails(recipient=sent.recipient, state="sent", source="TRANSACTIONAL", contact_id=other),
    ):
        page = await ask(office.client, office.project, query, EmailPage)
        assert ([mail.id for mail in page.data], page.total) == ([queued.email], 1)
    nothing = await ask(office.client, office.project, ListEmails(contact_id=other, state="failed"), EmailPage)
    assert (nothing.data, nothing.total) == ([], 0)
