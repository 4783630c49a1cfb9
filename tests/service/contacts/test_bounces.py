"""Bounces and complaints end subscriptions."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from msgspec.structs import replace

from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.process.testing import announce, eventually
from libs.schemas.base import Data
from libs.schemas.feedback.mails import BounceType, EmailBounced, EmailComplained
from tests.service.contacts.caller import Caller

AT = datetime(2026, 5, 6, tzinfo=UTC)


def bounced(contact_id: UUID, bounce_type: BounceType) -> EmailBounced:
    return EmailBounced(
        email_id=uuid7(),
        contact_id=contact_id,
        message_id="m-1",
        at=AT,
        bounce_type=bounce_type,
        bounce_sub_type="General",
    )


def complained(contact_id: UUID) -> EmailComplained:
    return EmailComplained(email_id=uuid7(), contact_id=contact_id, message_id="m-1", at=AT)


async def unsubscribed(caller: Caller, contact_id: UUID) -> list[Data]:
    return [fact for fact in await caller.events_of("contact.unsubscribed") if fact["contactId"] == str(contact_id)]


async def test_a_permanent_bounce_ends_the_subscription_and_names_its_mail(caller: Caller) -> None:
    ann = await caller.save()
    bounce = bounced(ann.id, "Permanent")
    await announce(caller.client, caller.project, bounce)
    (fact,) = await eventually(lambda: unsubscribed(caller, ann.id))
    assert (fact["reason"], fact["emailId"]) == ("bounce", str(bounce.email_id))
    assert not (await caller.get(ann.id)).subscribed


async def test_other_bounces_unknown_contacts_and_repeated_events_change_nothing(caller: Caller) -> None:
    soft, hard = await caller.save("soft@example.com"), await caller.save("hard@example.com")
    again = bounced(hard.id, "Permanent")
    await announce(caller.client, caller.project, bounced(soft.id, "Transient"))
    await announce(caller.client, caller.project, bounced(soft.id, "Undetermined"))
    await announce(caller.client, caller.project, bounced(uuid4(), "Permanent"))
    await announce(caller.client, uuid4(), bounced(soft.id, "Permanent"))
    for version in (1, 2, 3):
        await announce(caller.client, caller.project, again, version=version)
    # events of one consumer are handled in order: once the last one has had its effect, so have the others
    await announce(caller.client, caller.project, complained((last := await caller.save("last@example.com")).id))
    (fact,) = await eventually(lambda: unsubscribed(caller, last.id))
    assert fact["reason"] == "complaint"
    assert await unsubscribed(caller, soft.id) == [] and len(await unsubscribed(caller, hard.id)) == 1


async def test_an_old_bounce_that_is_repeated_does_not_end_a_renewed_subscription(caller: Caller) -> None:
    ann = await caller.save()
    bounce = bounced(ann.id, "Permanent")
    event_id = await announce(caller.client, caller.project, bounce)
    await eventually(lambda: unsubscribed(caller, ann.id))
    await caller.subscribe(ann.id)
    repeat = Envelope(id=event_id, project=caller.project, message=bounce, at=now(), version=1)
    await caller.runtime.consumers["contacts-events"].commit.submit(repeat)
    assert (await caller.get(ann.id)).subscribed


async def test_a_bounce_or_complaint_of_another_address_leaves_the_contact_alone(caller: Caller) -> None:
    ann, ben = await caller.save("ann@example.com"), await caller.save("ben@example.com")
    to_the_team = replace(bounced(ann.id, "Permanent"), recipient="team@example.com", sent_to="team@example.com")
    to_an_old_address = replace(complained(ann.id), recipient="ann@old.example.com", sent_to="ann@old.example.com")
    forwarded = replace(bounced(ben.id, "Permanent"), recipient="ben@elsewhere.example", sent_to="ben@example.com")
    for event in (to_the_team, to_an_old_address, forwarded):
        await announce(caller.client, caller.project, event)
    (fact,) = await eventually(lambda: unsubscribed(caller, ben.id))
    assert fact["reason"] == "bounce"
    assert await unsubscribed(caller, ann.id) == []
