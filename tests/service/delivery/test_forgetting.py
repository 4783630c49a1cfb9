"""A deleted contact gets no more mail, and what delivery had of the person is gone."""

from uuid import UUID

from libs.runtime.clock import uuid7
from libs.runtime.testing import announce, facts
from libs.schemas.contacts import ContactDeleted
from tests.service.delivery.office import Office, address, content


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
