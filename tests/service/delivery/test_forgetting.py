"""A deleted contact gets no more mail, and delivery forgets the person's data."""

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
from tests.service.delivery.driver import DeliveryDriver, address, content


async def delete(driver: DeliveryDriver, contact_id: UUID) -> None:
    await driver.settled(
        await announce(driver.client, driver.project, ContactDeleted(contact_id=contact_id), version=9)
    )


async def test_sent_mails_are_counted_without_their_recipient(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    ann, bea = await driver.contacts(2, data={"name": "SECRET"})
    mails = [await driver.send(each, content=content("TRANSACTIONAL"), data={"x": "SECRET"}) for each in (ann, bea)]
    await driver.reach_states({"sent": 2})
    await delete(driver, ann)
    assert (await driver.email(mails[0].email)).recipient == "" and await driver.states() == {"sent": 2}
    assert (await driver.email(mails[1].email)).recipient == address(bea)
    log = await facts(driver.runtime, driver.project)
    of_ann = str([fact for _, fact in log if fact.get("contactId") == str(ann)])
    of_bea = str([fact for _, fact in log if fact.get("contactId") == str(bea)])
    assert "SECRET" not in of_ann and address(ann) not in of_ann
    assert "SECRET" in of_bea and address(bea) in of_bea


async def test_queued_mails_to_a_deleted_contact_are_not_sent(driver: DeliveryDriver) -> None:
    ann, bea = await driver.contacts(2)
    await driver.page(uuid7(), [ann, bea])  # a mail of a campaign whose content has not arrived
    await driver.reach_states({"queued": 2})
    await delete(driver, ann)
    await driver.reach_states({"queued": 1, "suppressed": 1})
    [reason] = [
        fact["reason"] for name, fact in await facts(driver.runtime, driver.project) if name == "email.suppressed"
    ]
    assert reason == "erased"


async def test_a_mail_requested_after_the_deletion_is_not_sent_either(driver: DeliveryDriver) -> None:
    (ann,) = await driver.contacts(1)
    await delete(driver, ann)
    await driver.campaign([ann])
    await driver.reach_states({"suppressed": 1})


LISTED = "select address from suppressed_address where project = $1 order by address"


async def preview(driver: DeliveryDriver, of: str) -> SuppressionPreview:
    return await ask(driver.client, driver.project, PreviewSuppression(address=of), SuppressionPreview)


async def suppress(driver: DeliveryDriver, of: str) -> SuppressedAddresses:
    return await tell(driver.client, driver.project, SuppressAddresses(addresses=[of]), SuppressedAddresses)


async def test_a_deleted_contact_stays_suppressed_without_being_named(
    driver: DeliveryDriver, stack: Stack, config: Settings
) -> None:
    await driver.verify_domain()
    ann, bea = await driver.contacts(2)
    for each in (ann, bea):
        await driver.send(each)
    await driver.reach_states({"sent": 2})
    bounced = EmailBounced(
        email_id=uuid7(),
        contact_id=ann,
        message_id="m",
        at=now(),
        bounce_type="Permanent",
        bounce_sub_type="General",
        recipient=address(ann),
    )
    await driver.settled(await announce(driver.client, driver.project, bounced))
    await suppress(driver, address(bea))
    for each in (ann, bea):
        await delete(driver, each)

    assert (await preview(driver, address(ann))).reason == "BOUNCE"
    assert (await preview(driver, address(bea))).reason == "MANUAL"
    page = await ask(driver.client, driver.project, ListSuppressedAddresses(), SuppressedAddressPage)
    assert (page.data, page.total) == ([], 0)
    log = str(await facts(driver.runtime, driver.project))
    kept = [row["address"] for row in await driver.runtime.pool.fetch(LISTED, driver.project)]
    assert not [who for who in (ann, bea) if address(who) in log or address(who) in kept]

    await rebuild(stack.admin_url, driver.client, build(config), [suppressed_address])
    assert [row["address"] for row in await driver.runtime.pool.fetch(LISTED, driver.project)] == kept

    back = await driver.send(recipient=address(ann))  # the next import brings the address back as another contact
    await driver.reach_states({"sent": 2, "suppressed": 1})
    assert (await driver.email(back.email)).reason == "bounced"
    assert await suppress(driver, address(ann)) == SuppressedAddresses(added=0, known=1)
    released = ReleaseAddress(address=address(ann))
    assert (await tell(driver.client, driver.project, released, SuppressedAddressView)).reason == "BOUNCE"
    await driver.send(recipient=address(ann))
    await driver.reach_states({"sent": 3, "suppressed": 1})
