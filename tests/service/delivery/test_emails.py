"""Single mails: listed, shown, cancelled while queued, and resent while their outcome is unknown."""

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
from tests.service.delivery.driver import DeliveryDriver, content
from tests.service.delivery.sandbox import Sandbox


async def queue_mail(driver: DeliveryDriver) -> UUID:
    """Queue a mail that cannot be sent while the test runs, because its contact and content never arrive."""
    campaign_id = uuid4()
    await driver.page(campaign_id, await driver.contacts(1))
    await driver.reach_states({"queued": 1})
    (email_id,) = await driver.ids()
    return email_id


async def cancel(driver: DeliveryDriver, email_id: UUID) -> EmailView:
    return await tell(driver.client, driver.project, CancelEmail(email_id=email_id), EmailView)


async def resend(driver: DeliveryDriver, email_id: UUID) -> EmailView:
    return await tell(driver.client, driver.project, ResendEmail(email_id=email_id), EmailView)


async def code_of(doing: Any) -> str:
    with pytest.raises(Rejected) as rejected:
        await doing
    return rejected.value.code


async def life(driver: DeliveryDriver, email_id: UUID) -> EmailDetail:
    return await ask(driver.client, driver.project, GetEmail(email_id=email_id), EmailDetail)


async def test_a_queued_mail_can_be_cancelled(driver: DeliveryDriver) -> None:
    email_id = await queue_mail(driver)
    cancelled = await cancel(driver, email_id)
    assert (cancelled.state, cancelled.reason) == ("cancelled", "requested")
    assert await cancel(driver, email_id) == cancelled
    assert [entry.type_ for entry in (await life(driver, email_id)).timeline] == ["email.queued", "email.cancelled"]
    assert await code_of(resend(driver, email_id)) == "EMAIL_NOT_UNKNOWN"


async def test_a_sent_mail_can_be_neither_cancelled_nor_resent(driver: DeliveryDriver) -> None:
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"sent": 1})
    (email_id,) = await driver.ids()
    assert await code_of(cancel(driver, email_id)) == "EMAIL_NOT_CANCELLABLE"
    assert await code_of(resend(driver, email_id)) == "EMAIL_ALREADY_SENT"


async def test_another_projects_mail_is_not_found(driver: DeliveryDriver) -> None:
    email_id = await queue_mail(driver)
    stranger = DeliveryDriver(driver.runtime, uuid4())
    for doing in (cancel(stranger, email_id), resend(stranger, email_id), life(stranger, email_id)):
        assert await code_of(doing) == "EMAIL_NOT_FOUND"
    assert await driver.states() == {"queued": 1}


async def test_an_operator_may_resend_a_mail_with_an_unknown_outcome(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "error_500", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    (email_id,) = await driver.ids()
    assert await code_of(cancel(driver, email_id)) == "EMAIL_NOT_CANCELLABLE"
    assert (await resend(driver, email_id)).state == "queued"
    await driver.reach_states({"sent": 1})
    detail = await life(driver, email_id)
    assert [entry.type_ for entry in detail.timeline] == [
        "email.queued",
        "email.unresolved",
        "email.requeued",
        "email.sent",
    ]
    assert detail.timeline[2].details == {"attempt": 2, "by": "operator"}
    assert "operator" in detail.timeline[2].message and "attempt 2" in detail.timeline[3].message
    assert len(sandbox.of_project(driver.project)) == 1


async def test_the_timeline_shows_how_an_unknown_outcome_was_resolved(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "reset_after_accept", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    (mail,) = sandbox.of_project(driver.project)
    await driver.confirm(UUID(mail["emailId"]), mail["id"])
    await driver.reach_states({"sent": 1})
    last = (await life(driver, UUID(mail["emailId"]))).timeline[-1]
    assert last.details["resolved"] is True and "a notification proved" in last.message


async def test_mails_are_filtered_by_their_properties(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    one, other = await driver.contacts(2)
    await driver.campaign([one])
    queued = await driver.send(other, content=content("TRANSACTIONAL"))
    await driver.reach_states({"sent": 2})
    sent = await life(driver, queued.email)
    for query in (
        ListEmails(contact_id=other),
        ListEmails(source="TRANSACTIONAL"),
        ListEmails(recipient=sent.recipient.upper()),
        ListEmails(recipient=sent.recipient, state="sent", source="TRANSACTIONAL", contact_id=other),
    ):
        page = await ask(driver.client, driver.project, query, EmailPage)
        assert ([mail.id for mail in page.data], page.total) == ([queued.email], 1)
    nothing = await ask(driver.client, driver.project, ListEmails(contact_id=other, state="failed"), EmailPage)
    assert (nothing.data, nothing.total) == ([], 0)
