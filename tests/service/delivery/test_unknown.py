"""Calls without an answer: settled by proof or by policy, never by guessing."""

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
from services.delivery.ledger import ledger
from services.delivery.ledger.email import settle
from services.delivery.ledger.timing import timing
from services.delivery.rendering.content_cache import Shelf
from services.delivery.rendering.message import NOBODYS, SIMULATOR
from services.delivery.ses.outcome import (
    Outcome,
    Refused,
    Throttled,
    Unknown,
)
from tests.service.delivery.driver import Office, content
from tests.service.delivery.sandbox import Sandbox

pytestmark = pytest.mark.slow

ABANDON = """
update email set state = 'claimed', claim = $2, message_id = null, message_ids = '{}', claimed_at = clock_timestamp(),
    due_at = clock_timestamp() + interval '1 hour'
where project = $1
"""


async def test_a_mail_that_ses_took_without_answering_is_settled_by_its_notification(
    office: Office, sandbox: Sandbox
) -> None:
    sandbox.plant(office.project, "reset_after_accept", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    (mail,) = sandbox.of_project(office.project)
    await office.confirm(mail["emailId"], mail["id"])
    await office.become({"sent": 1})
    view = await office.email(mail["emailId"])
    assert (view.attempt, view.message_id) == (1, mail["id"])
    book = await office.ledger()
    assert (book.sent, book.resolved, book.resent, book.duplicates) == (1, 1, 0, 0)
    assert await office.told() == ["email.queued", "email.unresolved", "email.sent"]


async def test_an_answer_too_late_is_no_answer(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "timeout_after_accept", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    assert len(sandbox.of_project(office.project)) == 1
    await office.settle_all()


async def test_an_error_of_sess_own_is_unknown_too(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "error_500", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    await office.settle_all()


async def test_what_nothing_proved_is_sent_once_more_while_notifications_flow(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "error_500", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    await asyncio.sleep(2.2)
    await hear_of_another(office)
    await office.become({"sent": 1})
    book = await office.ledger()
    assert (book.resent, book.resolved) == (1, 0)
    assert "email.requeued" in await office.told()
    assert len(sandbox.of_project(office.project)) == 1


async def test_a_campaign_may_choose_that_nothing_is_sent_twice_and_leave_it_to_people(
    office: Office, sandbox: Sandbox
) -> None:
    sandbox.plant(office.project, "error_500", count=1)
    campaign_id = await office.start_campaign(unknown_policy="NEVER")
    await office.page(campaign_id, await office.contacts(1))
    await office.become({"unknown": 1})
    await asyncio.sleep(2.2)
    await hear_of_another(office)
    await office.let_time_pass("unknown")

    async def left_alone() -> bool:
        return (await office.email((await office.ids())[0])).reason == "its campaign sends nothing twice"

    await eventually(left_alone)
    assert "email.requeued" not in await office.told()
    await tell(office.client, office.project, ResendEmail(email_id=(await office.ids())[0]), EmailView)
    await office.become({"sent": 1})
    assert len(sandbox.of_project(office.project)) == 1


async def test_a_resend_is_held_while_no_notification_comes_in(office: Office, sandbox: Sandbox) -> None:
    await hear_of_another(office)
    sandbox.plant(office.project, "reset_after_accept", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    for _ in range(3):
        await office.let_time_pass("unknown")
        await asyncio.sleep(1.2)
    assert await office.states() == {"unknown": 1}
    (mail,) = sandbox.of_project(office.project)
    await office.confirm(mail["emailId"], mail["id"])  # the notifications that were stuck come in after all
    await office.become({"sent": 1})
    assert len(sandbox.of_project(office.project)) == 1


async def test_a_resend_is_held_while_notifications_come_late(office: Office, sandbox: Sandbox) -> None:
    """SNS could not hand them over when they were due: this mail's own may be among those that it still holds."""
    sandbox.plant(office.project, "reset_after_accept", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    (mail,) = sandbox.of_project(office.project)
    for _ in range(3):
        await office.confirm(uuid7(), "m-late", at=now() - timedelta(minutes=1))
        await hear_of_another(office)
        await office.let_time_pass("unknown")
        await asyncio.sleep(1.2)
    assert await office.states() == {"unknown": 1}
    await office.confirm(mail["emailId"], mail["id"])
    await office.become({"sent": 1})
    assert len(sandbox.of_project(office.project)) == 1
    await office.runtime.pool.execute("update heard set late_at = null")  # other tests wait for resends


async def test_a_resend_is_held_while_a_notification_that_came_in_is_not_handled(
    office: Office, sandbox: Sandbox, feedback: Runtime
) -> None:
    """It was at hand in a process that died, or could not be handled: others pass it by, and it comes again later."""
    sandbox.plant(office.project, "reset_after_accept", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    (mail,) = sandbox.of_project(office.project)
    async with feedback.unit() as unit:  # feedback knows of it; delivery has not heard
        confirmed = EmailConfirmed(
            email_id=UUID(mail["emailId"]), contact_id=uuid7(), message_id=mail["id"], at=unit.now
        )
        unit.append([confirmed], Origin(project=office.project, meta=Meta()))
        await unit.flush()
        await unit.conn.execute(
            "delete from outbox using events where outbox.position = events.position and stream = $1",
            f"feedback-{mail['emailId']}",
        )
    await hear_of_another(office)
    await office.let_time_pass("unknown")
    await office.become({"sent": 1})
    assert len(sandbox.of_project(office.project)) == 1
    assert "email.requeued" not in await office.told()


async def test_a_mail_that_stays_unknown_twice_fails(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "error_500", count=2)
    await office.campaign(await office.contacts(1))
    for _ in range(2):
        await office.become({"unknown": 1})
        await asyncio.sleep(2.2)
        await hear_of_another(office)
        await office.let_time_pass("unknown")
        await asyncio.sleep(1.5)
    await office.become({"failed": 1})
    assert sandbox.of_project(office.project) == []


async def test_proof_that_comes_before_the_resend_stops_it(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "reset_after_accept", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    (mail,) = sandbox.of_project(office.project)
    await office.runtime.pool.execute(
        "update email set state = 'queued', due_at = clock_timestamp() + interval '1 hour' where project = $1",
        office.project,
    )
    await office.confirm(mail["emailId"], mail["id"])
    await office.become({"sent": 1})


async def test_a_mail_that_ses_took_twice_is_counted(office: Office) -> None:
    await office.campaign(await office.contacts(1))
    await office.become({"sent": 1})
    (email_id,) = await office.ids()
    taken = (await office.email(email_id)).message_id or ""
    await office.confirm(email_id, taken)
    assert (await office.ledger()).duplicates == 0
    for _ in range(2):
        await office.confirm(email_id, "another-message")
    assert (await office.ledger()).duplicates == 1
    assert (await office.ledger()).sent == 1


async def test_a_claim_whose_sender_died_is_unknown_when_its_lease_is_over(office: Office) -> None:
    await office.campaign(await office.contacts(1))
    await office.become({"sent": 1})
    await abandon(office)
    await office.let_time_pass("claimed")
    await office.become({"unknown": 1})
    await office.settle_all()


async def test_a_claim_that_a_notification_proves_does_not_wait_for_its_lease(office: Office) -> None:
    await office.campaign(await office.contacts(1))
    await office.become({"sent": 1})
    await abandon(office)
    (email_id,) = await office.ids()
    await office.confirm(email_id, "m-1")
    await office.become({"sent": 1}, within=6)
    assert (await office.ledger()).resolved == 1


@pytest.mark.parametrize("outcome", [Unknown("reset"), Throttled(), Refused("MessageRejected", "No.")])
async def test_proof_that_comes_before_the_outcome_of_the_call_outweighs_it(outcome: Outcome, office: Office) -> None:
    """SES took an earlier attempt, or this one whose answer was lost: nothing may have the mail sent again."""
    await office.campaign(await office.contacts(1))
    await office.become({"sent": 1})
    claim = await abandon(office)
    (email_id,) = await office.ids()
    await office.confirm(email_id, "m-1")
    async with office.runtime.unit() as unit:
        (mail,) = await ledger.load(unit.conn, [email_id], Shelf())
        claimed = msgspec.structs.replace(mail, state="claimed", claim=claim)
        await ledger.apply(unit, [(claimed, settle(claimed, outcome, timing(None)))])
    await office.become({"sent": 1}, within=6)
    told = await office.told()
    assert told[-1] == "email.sent" and not {"email.requeued", "email.failed"} & set(told)
    assert (await office.ledger()).resolved == 1


async def test_a_mail_whose_ses_cannot_be_reached_waits_and_is_sent_then(
    config: Settings, office: Office, sandbox: Sandbox
) -> None:
    """Nothing was sent, so nothing is unknown."""
    nowhere = msgspec.structs.replace(config, aws_endpoint_url="http://127.0.0.1:9", aws_region="eu-north-1")
    people = await office.contacts(3)
    async with running(build(nowhere), nowhere):
        await office.campaign(people)
        await office.become({"sent": 3})
    told = await office.told()
    assert "email.unresolved" not in told and told.count("email.sent") == 3
    assert len(sandbox.of_project(office.project)) == 3


async def test_content_that_is_refused_for_one_does_not_stop_the_others(office: Office, sandbox: Sandbox) -> None:
    people = await office.contacts(10)
    sandbox.plant(office.project, "reject", count=1)
    await office.campaign(people, content(subject="Hi"))
    await office.become({"sent": 9, "failed": 1})


async def test_a_sender_that_was_replaced_changes_nothing(office: Office) -> None:
    """Its outcome names a claim that is not the mail's any more."""
    await office.campaign(await office.contacts(1))
    await office.become({"sent": 1})
    async with office.runtime.unit() as unit:
        (mail,) = await ledger.load(unit.conn, await office.ids(), Shelf())
        claimed = msgspec.structs.replace(mail, state="claimed", claim=uuid7())
        assert await ledger.apply(unit, [(claimed, settle(claimed, Unknown("x"), timing(None)))]) == set()
    assert await office.states() == {"sent": 1}
    assert "email.unresolved" not in await office.told()


async def hear_of_another(office: Office) -> None:
    """A notification about some other mail, that was sent just now."""
    await office.confirm(uuid7(), "m-other")


async def abandon(office: Office) -> UUID:
    """As if the sender had died after it claimed the project's mails; answers the claim."""
    claim = uuid7()
    await office.runtime.pool.execute(ABANDON, office.project, claim)
    return claim


async def test_where_nothing_tells_whether_notifications_flow_a_probe_does(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "error_500", count=1)
    await office.campaign(await office.contacts(1))
    await office.become({"unknown": 1})
    await office.let_time_pass("unknown")

    async def probe() -> dict[str, Any] | None:
        return next(iter(sandbox.accepted(to=SIMULATOR)), None)

    sent = await eventually(probe)
    assert sent["tags"]["godwit_project"] == NOBODYS
    async with asyncio.timeout(60):
        while (await office.states()).get("sent") != 1:
            await office.confirm(UUID(sent["tags"]["godwit_email"]), sent["id"])
            await office.let_time_pass("unknown")
            await asyncio.sleep(0.5)
    assert len(sandbox.of_project(office.project)) == 1
    await office.settle_all()
