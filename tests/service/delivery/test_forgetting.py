"""A deleted contact gets no more mail, and what delivery had of the person is gone."""

from uuid import UUID

from libs.runtime.clock import now, uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.operations.rebuild import rebuild
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import announce, facts, tell
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.delivery.suppressions import (
    ListSuppressedAddresses,
    PreviewSuppression,
    ReleaseAddress,
    SuppressAddresses,
    SuppressedAddresses,
    SuppressedAddressPage,
    SuppressedAddressView,
    SuppressionPreview,
)
from libs.schemas.feedback.mails import EmailBounced
from services.delivery.app import build
from services.delivery.suppression.read_models import suppressed_address
from tests.conftest import Stack
from tests.service.delivery.driver import Office, address, content


async def delete(office: Office, contact_id: UUID) -> None:
    await office.settled(
        await announce(office.client, office.project, ContactDeleted(contact_id=contact_id), version=9)
    )


async def test_what_was_sent_is_counted_but_nobody_knows_to_whom(office: Office) -> None:
    await office.verify_domain()
    ann, bea = await office.contacts(2, data={"name": "SECRET"})
    mails = [await office.send(each, content=content("TRANSACTIONAL"), data={"x": "SECRET"}) for each in (ann, bea)]
    await office.become({"sent": 2})
    await delete(office, ann)
    assert (await office.email(mails[0].email)).recipient == "" and await office.states() == {"sent": 2}
    assert (await office.email(mails[1].email)).recipient == address(bea)
    log = await facts(office.runtime, office.project)
    of_ann = str([fact for _, fact in log if fact.get("contactId") == str(ann)])
    of_bea = str([fact for _, fact in log if fact.get("contactId") == str(bea)])
    assert "SECRET" not in of_ann and address(ann) not in of_ann
    assert "SECRET" in of_bea and address(bea) in of_bea


async def test_what_waits_for_a_deleted_contact_is_not_sent(office: Office) -> None:
    ann, bea = await office.contacts(2)
    await office.page(uuid7(), [ann, bea])  # of a campaign whose content has not arrived
    await office.become({"queued": 2})
    await delete(office, ann)
    await office.become({"queued": 1, "suppressed": 1})
    [reason] = [
        fact["reason"] for name, fact in await facts(office.runtime, office.project) if name == "email.suppressed"
    ]
    assert reason == "erased"


async def test_a_mail_that_is_asked_for_late_is_not_sent_either(office: Office) -> None:
    (ann,) = await office.contacts(1)
    await delete(office, ann)
    await office.campaign([ann])
    await office.become({"suppressed": 1})


LISTED = "select address from suppressed_address where project = $1 order by address"


async def preview(office: Office, of: str) -> SuppressionPreview:
    return await ask(office.client, office.project, PreviewSuppression(address=of), SuppressionPreview)


async def suppress(office: Office, of: str) -> SuppressedAddresses:
    return await tell(office.client, office.project, SuppressAddresses(addresses=[of]), SuppressedAddresses)


async def test_who_must_not_be_written_to_still_must_not_but_the_list_does_not_say_who_it_is(
    office: Office, stack: Stack, config: Settings
) -> None:
    await office.verify_domain()
    ann, bea = await office.contacts(2)
    for each in (ann, bea):
        await office.send(each)
    await office.become({"sent": 2})
    bounced = EmailBounced(
        email_id=uuid7(),
        contact_id=ann,
        message_id="m",
        at=now(),
        bounce_type="Permanent",
        bounce_sub_type="General",
        recipient=address(ann),
    )
    await office.settled(await announce(office.client, office.project, bounced))
    await suppress(office, address(bea))
    for each in (ann, bea):
        await delete(office, each)

    assert (await preview(office, address(ann))).reason == "BOUNCE"
    assert (await preview(office, address(bea))).reason == "MANUAL"
    page = await ask(office.client, office.project, ListSuppressedAddresses(), SuppressedAddressPage)
    assert (page.data, page.total) == ([], 0)
    log = str(await facts(office.runtime, office.project))
    kept = [row["address"] for row in await office.runtime.pool.fetch(LISTED, office.project)]
    assert not [who for who in (ann, bea) if address(who) in log or address(who) in kept]

    await rebuild(stack.admin_url, office.client, build(config), [suppressed_address])
    assert [row["address"] for row in await office.runtime.pool.fetch(LISTED, office.project)] == kept

    back = await office.send(recipient=address(ann))  # the next import brings the address back, as another contact
    await office.become({"sent": 2, "suppressed": 1})
    assert (await office.email(back.email)).reason == "bounced"
    assert await suppress(office, address(ann)) == SuppressedAddresses(added=0, known=1)
    released = ReleaseAddress(address=address(ann))
    assert (await tell(office.client, office.project, released, SuppressedAddressView)).reason == "BOUNCE"
    await office.send(recipient=address(ann))
    await office.become({"sent": 3, "suppressed": 1})
