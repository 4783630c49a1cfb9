"""Bulk mail: everyone on the page gets it once, except those who must not."""

import asyncio
from collections import Counter
from typing import Any, get_args
from uuid import UUID, uuid4, uuid5

from libs.runtime.clock import now, uuid7
from libs.runtime.process.testing import announce, facts
from libs.schemas.contacts.contacts import ContactCreated, ContactSubscribed
from libs.schemas.delivery.content import Kind
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from libs.schemas.workflows import EmailRequested
from tests.service.delivery.driver import DeliveryDriver, address, content
from tests.service.delivery.sandbox import Sandbox

WORKFLOW, STEP = uuid7(), uuid7()


async def test_every_contact_on_every_page_gets_the_mail_once(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    people = await driver.contacts(60)
    campaign_id = await driver.start_campaign()
    for number in range(3):
        await driver.page(campaign_id, people[number * 20 : number * 20 + 20], number + 1)
    await driver.reach_states({"sent": 60})
    got = Counter(mail["to"][0] for mail in sandbox.of_project(driver.project))
    assert got == Counter(address(person) for person in people)
    ledger = await driver.ledger(campaign_id)
    assert (ledger.intents, ledger.sent, ledger.resent, ledger.duplicates) == (60, 60, 0, 0)


async def test_a_redelivered_page_queues_nothing(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    people = await driver.contacts(20)
    campaign_id = await driver.start_campaign()
    for _ in range(3):  # each is a new message for the inbox, as after the stream was lost and refilled
        await driver.settled(await driver.page(campaign_id, people))
    await driver.reach_states({"sent": 20})
    assert (await driver.email_event_types()).count("email.queued") == 20
    assert len(sandbox.of_project(driver.project)) == 20


async def test_mails_wait_until_content_and_recipients_have_arrived(driver: DeliveryDriver) -> None:
    campaign_id, person = uuid7(), uuid7()
    await driver.settled(await driver.page(campaign_id, [person]))
    await asyncio.sleep(0.5)
    assert await driver.states() == {"queued": 1}
    created = ContactCreated(contact_id=person, email=address(person), subscribed=True, data={})
    await driver.settled(await announce(driver.client, driver.project, created))
    await asyncio.sleep(0.5)
    assert await driver.states() == {"queued": 1}
    started = await driver.start_campaign()  # another campaign's content does not help
    await driver.page(started, [person])
    await driver.reach_states({"queued": 1, "sent": 1})


async def test_a_contact_who_unsubscribes_while_the_mail_is_queued_does_not_get_it(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    stays, goes = await driver.contacts(2)
    campaign_id = uuid7()
    await driver.settled(await driver.page(campaign_id, [stays, goes]))
    await driver.unsubscribe(goes)
    await driver.begin_sending(campaign_id)
    await driver.reach_states({"sent": 1, "suppressed": 1})
    assert [mail["to"] for mail in sandbox.of_project(driver.project)] == [[address(stays)]]
    assert "email.suppressed" in await driver.email_event_types()


async def test_nothing_is_sent_after_a_permanent_bounce_or_a_complaint(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    bounced, complained, fine = await driver.contacts(3)
    ids: dict[str, Any] = {"email_id": uuid4(), "message_id": "m", "at": now()}
    hard = EmailBounced(contact_id=bounced, bounce_type="Permanent", bounce_sub_type="General", **ids)
    soft = EmailBounced(contact_id=fine, bounce_type="Transient", bounce_sub_type="MailboxFull", **ids)
    for event in (hard, soft, EmailComplained(contact_id=complained, **ids)):
        await driver.settled(await announce(driver.client, driver.project, event))
    await driver.campaign([bounced, complained, fine])
    await driver.reach_states({"sent": 1, "suppressed": 2})
    assert [mail["to"] for mail in sandbox.of_project(driver.project)] == [[address(fine)]]


async def test_a_contact_who_resubscribes_after_a_complaint_gets_mail_again(driver: DeliveryDriver) -> None:
    (person,) = await driver.contacts(1)
    complained = EmailComplained(email_id=uuid4(), contact_id=person, message_id="m", at=now())
    await driver.settled(await announce(driver.client, driver.project, complained))
    subscribed = ContactSubscribed(contact_id=person, email=address(person))
    await driver.settled(await announce(driver.client, driver.project, subscribed, version=3))
    await driver.campaign([person])
    await driver.reach_states({"sent": 1})


async def test_events_about_a_contact_may_arrive_in_any_order(driver: DeliveryDriver) -> None:
    person = uuid7()
    await driver.unsubscribe(person)  # version 2 before version 1
    created = ContactCreated(contact_id=person, email=address(person), subscribed=True, data={})
    await driver.settled(await announce(driver.client, driver.project, created, version=1))
    await driver.campaign([person])
    await driver.reach_states({"suppressed": 1})


async def test_a_workflow_sends_one_mail_per_step(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    (person,) = await driver.contacts(1)
    template_id = await driver.template(content("TRANSACTIONAL", "{{ name }} did {{ what }} / {{ event.what }}"))
    for _ in range(2):
        await driver.settled(await announce(driver.client, driver.project, request(person, template_id)))
    await driver.reach_states({"sent": 1})
    (mail,) = sandbox.of_project(driver.project)
    (full,) = sandbox.accepted(emailId=mail["emailId"])
    assert full["subject"] == "Ann did click / click"
    assert set(full["tags"]) >= {"godwit_workflow", "godwit_execution"}


async def test_marketing_mail_of_a_workflow_goes_only_to_subscribers(driver: DeliveryDriver) -> None:
    (gone,) = await driver.contacts(1, subscribed=False)
    for kind in get_args(Kind):
        template_id = await driver.template(content(kind))
        await announce(driver.client, driver.project, request(gone, template_id, step_id=uuid7()))
    await driver.reach_states({"suppressed": 2, "sent": 1})


async def test_strangers_cannot_have_a_workflow_send_any_number_of_mails_to_one_contact(driver: DeliveryDriver) -> None:
    (ann, ben) = await driver.contacts(2)
    template_id = await driver.template(content("TRANSACTIONAL"))
    for _ in range(8):
        await announce(driver.client, driver.project, request(ann, template_id, step_id=uuid7(), trusted=False))
        await announce(driver.client, driver.project, request(ben, template_id, step_id=uuid7()))
    await driver.reach_states({"sent": 5 + 8, "suppressed": 3})
    reasons = [
        data["reason"] for kind, data in await facts(driver.runtime, driver.project) if kind == "email.suppressed"
    ]
    assert reasons == ["capped"] * 3


def request(person: UUID, template_id: UUID, step_id: UUID = STEP, trusted: bool = True) -> EmailRequested:
    return EmailRequested(
        execution_id=uuid5(STEP, str(person)),
        workflow_id=WORKFLOW,
        contact_id=person,
        step_id=step_id,
        email_id=uuid7(),
        template_id=template_id,
        email=address(person),
        context={"what": "click"},
        trusted=trusted,
    )
