"""Calls without a response: settled by proof or by policy, never by guessing."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Meta, Origin
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import eventually, running, tell
from libs.schemas.delivery.emails import EmailView, ResendEmail
from libs.schemas.feedback.mails import EmailConfirmed
from services.delivery.app import build
from services.delivery.claiming.mails import load
from services.delivery.ledger import ledger
from services.delivery.ledger.email import settle
from services.delivery.ledger.timing import timing
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.rendering.message import NO_PROJECT, SIMULATOR
from services.delivery.ses.outcome import MailRejected, Outcome, Throttled, Unknown
from tests.service.delivery.driver import DeliveryDriver, content
from tests.service.delivery.sandbox import Sandbox

pytestmark = pytest.mark.slow

ABANDON = """
update email set state = 'claimed', claim = $2, message_id = null, message_ids = '{}', claimed_at = clock_timestamp(),
    due_at = clock_timestamp() + interval '1 hour'
where project = $1
"""


async def test_a_mail_that_ses_accepted_without_responding_is_settled_by_its_notification(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    sandbox.plant(driver.project, "reset_after_accept", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    (mail,) = sandbox.of_project(driver.project)
    await driver.confirm(mail["emailId"], mail["id"])
    await driver.reach_states({"sent": 1})
    view = await driver.email(mail["emailId"])
    assert (view.attempt, view.message_id) == (1, mail["id"])
    book = await driver.ledger()
    assert (book.sent, book.resolved, book.resent, book.duplicates) == (1, 1, 0, 0)
    assert await driver.email_event_types() == ["email.queued", "email.unresolved", "email.sent"]


async def test_a_late_response_counts_as_none(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "timeout_after_accept", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    assert len(sandbox.of_project(driver.project)) == 1
    await driver.settle_all()


async def test_an_internal_error_of_ses_leaves_the_mail_unknown(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "error_500", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    await driver.settle_all()


async def test_an_unproven_mail_is_resent_while_notifications_arrive(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "error_500", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    await asyncio.sleep(2.2)
    await notify_about_another_mail(driver)
    await driver.reach_states({"sent": 1})
    book = await driver.ledger()
    assert (book.resent, book.resolved) == (1, 0)
    assert "email.requeued" in await driver.email_event_types()
    assert len(sandbox.of_project(driver.project)) == 1


async def test_a_campaign_that_never_resends_leaves_unknown_mails_to_operators(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    sandbox.plant(driver.project, "error_500", count=1)
    campaign_id = await driver.start_campaign(unknown_policy="NEVER")
    await driver.page(campaign_id, await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    await asyncio.sleep(2.2)
    await notify_about_another_mail(driver)
    await driver.let_time_pass("unknown")

    async def left_alone() -> bool:
        return (await driver.email((await driver.ids())[0])).reason == "its campaign never sends a mail twice"

    await eventually(left_alone)
    assert "email.requeued" not in await driver.email_event_types()
    await tell(driver.client, driver.project, ResendEmail(email_id=(await driver.ids())[0]), EmailView)
    await driver.reach_states({"sent": 1})
    assert len(sandbox.of_project(driver.project)) == 1


async def test_a_resend_is_held_while_no_notifications_arrive(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await notify_about_another_mail(driver)
    sandbox.plant(driver.project, "reset_after_accept", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    for _ in range(3):
        await driver.let_time_pass("unknown")
        await asyncio.sleep(1.2)
    assert await driver.states() == {"unknown": 1}
    (mail,) = sandbox.of_project(driver.project)
    await driver.confirm(mail["emailId"], mail["id"])  # the notifications that were stuck arrive after all
    await driver.reach_states({"sent": 1})
    assert len(sandbox.of_project(driver.project)) == 1


async def test_a_resend_is_held_while_notifications_arrive_late(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    """SNS could not deliver them in time, so this mail's own may be among those that it still holds."""
    sandbox.plant(driver.project, "reset_after_accept", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    (mail,) = sandbox.of_project(driver.project)
    for _ in range(3):
        await driver.confirm(uuid7(), "m-late", at=now() - timedelta(minutes=1))
        await notify_about_another_mail(driver)
        await driver.let_time_pass("unknown")
        await asyncio.sleep(1.2)
    assert await driver.states() == {"unknown": 1}
    await driver.confirm(mail["emailId"], mail["id"])
    await driver.reach_states({"sent": 1})
    assert len(sandbox.of_project(driver.project)) == 1
    await driver.runtime.pool.execute("update heard set late_at = null")  # other tests wait for resends


async def test_a_resend_is_held_while_a_notification_is_unhandled(
    driver: DeliveryDriver, sandbox: Sandbox, feedback: Runtime
) -> None:
    """A process died while handling it, or its handling failed: others overtake it, and it is redelivered later."""
    sandbox.plant(driver.project, "reset_after_accept", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    (mail,) = sandbox.of_project(driver.project)
    async with feedback.unit() as unit:  # feedback knows of it, delivery does not yet
        confirmed = EmailConfirmed(
            email_id=UUID(mail["emailId"]), contact_id=uuid7(), message_id=mail["id"], at=unit.now
        )
        unit.append([confirmed], Origin(project=driver.project, meta=Meta()))
        await unit.flush()
        await unit.conn.execute(
            "delete from outbox using events where outbox.position = events.position and stream = $1",
            f"feedback-{mail['emailId']}",
        )
    await notify_about_another_mail(driver)
    await driver.let_time_pass("unknown")
    await driver.reach_states({"sent": 1})
    assert len(sandbox.of_project(driver.project)) == 1
    assert "email.requeued" not in await driver.email_event_types()


async def test_a_mail_that_is_unknown_twice_fails(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "error_500", count=2)
    await driver.campaign(await driver.contacts(1))
    for _ in range(2):
        await driver.reach_states({"unknown": 1})
        await asyncio.sleep(2.2)
        await notify_about_another_mail(driver)
        await driver.let_time_pass("unknown")
        await asyncio.sleep(1.5)
    await driver.reach_states({"failed": 1})
    assert sandbox.of_project(driver.project) == []


async def test_proof_that_arrives_before_the_resend_prevents_it(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "reset_after_accept", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    (mail,) = sandbox.of_project(driver.project)
    await driver.runtime.pool.execute(
        "update email set state = 'queued', due_at = clock_timestamp() + interval '1 hour' where project = $1",
        driver.project,
    )
    await driver.confirm(mail["emailId"], mail["id"])
    await driver.reach_states({"sent": 1})


async def test_a_mail_that_ses_accepted_twice_is_counted(driver: DeliveryDriver) -> None:
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"sent": 1})
    (email_id,) = await driver.ids()
    message_id = (await driver.email(email_id)).message_id or ""
    await driver.confirm(email_id, message_id)
    assert (await driver.ledger()).duplicates == 0
    for _ in range(2):
        await driver.confirm(email_id, "another-message")
    assert (await driver.ledger()).duplicates == 1
    assert (await driver.ledger()).sent == 1


async def test_a_claim_whose_sender_died_is_unknown_when_its_lease_ends(driver: DeliveryDriver) -> None:
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"sent": 1})
    await abandon(driver)
    await driver.let_time_pass("claimed")
    await driver.reach_states({"unknown": 1})
    await driver.settle_all()


async def test_a_proven_claim_is_settled_before_its_lease_ends(driver: DeliveryDriver) -> None:
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"sent": 1})
    await abandon(driver)
    (email_id,) = await driver.ids()
    await driver.confirm(email_id, "m-1")
    await driver.reach_states({"sent": 1}, within=6)
    assert (await driver.ledger()).resolved == 1


@pytest.mark.parametrize("outcome", [Unknown("reset"), Throttled(), MailRejected("MessageRejected", "No.")])
async def test_proof_that_arrives_before_the_outcome_of_the_call_wins(outcome: Outcome, driver: DeliveryDriver) -> None:
    """SES accepted an earlier attempt, or this one whose response was lost: the mail must not be resent."""
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"sent": 1})
    claim = await abandon(driver)
    (email_id,) = await driver.ids()
    await driver.confirm(email_id, "m-1")
    async with driver.runtime.unit() as unit:
        (mail,) = await load(unit.conn, [email_id], ContentCache())
        claimed = msgspec.structs.replace(mail, state="claimed", claim=claim)
        await ledger.apply(unit, [(claimed, settle(claimed, outcome, timing(None)))])
    await driver.reach_states({"sent": 1}, within=6)
    types = await driver.email_event_types()
    assert types[-1] == "email.sent" and not {"email.requeued", "email.failed"} & set(types)
    assert (await driver.ledger()).resolved == 1


async def test_a_mail_waits_while_ses_is_unreachable_and_is_sent_afterwards(
    config: Settings, driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    """Nothing was sent, so nothing is unknown."""
    nowhere = msgspec.structs.replace(config, aws_endpoint_url="http://127.0.0.1:9", aws_region="eu-north-1")
    people = await driver.contacts(3)
    async with running(build(nowhere), nowhere):
        await driver.campaign(people)
        await driver.reach_states({"sent": 3})
    types = await driver.email_event_types()
    assert "email.unresolved" not in types and types.count("email.sent") == 3
    assert len(sandbox.of_project(driver.project)) == 3


async def test_a_mail_that_ses_rejects_does_not_stop_the_others(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    people = await driver.contacts(10)
    sandbox.plant(driver.project, "reject", count=1)
    await driver.campaign(people, content(subject="Hi"))
    await driver.reach_states({"sent": 9, "failed": 1})


async def test_the_outcome_of_an_obsolete_claim_changes_nothing(driver: DeliveryDriver) -> None:
    """The outcome names a claim that no longer holds the mail."""
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"sent": 1})
    async with driver.runtime.unit() as unit:
        (mail,) = await load(unit.conn, await driver.ids(), ContentCache())
        claimed = msgspec.structs.replace(mail, state="claimed", claim=uuid7())
        assert await ledger.apply(unit, [(claimed, settle(claimed, Unknown("x"), timing(None)))]) == set()
    assert await driver.states() == {"sent": 1}
    assert "email.unresolved" not in await driver.email_event_types()


async def notify_about_another_mail(driver: DeliveryDriver) -> None:
    """Announce a notification about another mail that was sent just now."""
    await driver.confirm(uuid7(), "m-other")


async def abandon(driver: DeliveryDriver) -> UUID:
    """Claim the project's mails as a sender that died would. Return the claim."""
    claim = uuid7()
    await driver.runtime.pool.execute(ABANDON, driver.project, claim)
    return claim


async def test_a_probe_shows_whether_notifications_arrive(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "error_500", count=1)
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"unknown": 1})
    await driver.let_time_pass("unknown")

    async def probe() -> dict[str, Any] | None:
        return next(iter(sandbox.accepted(to=SIMULATOR)), None)

    sent = await eventually(probe)
    assert sent["tags"]["godwit_project"] == NO_PROJECT
    async with asyncio.timeout(60):
        while (await driver.states()).get("sent") != 1:
            await driver.confirm(UUID(sent["tags"]["godwit_email"]), sent["id"])
            await driver.let_time_pass("unknown")
            await asyncio.sleep(0.5)
    assert len(sandbox.of_project(driver.project)) == 1
    await driver.settle_all()
