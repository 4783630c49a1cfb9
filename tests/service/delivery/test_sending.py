"""One transactional mail: accepted, handed to SES once, and recorded."""

from datetime import datetime

import pytest

from libs.kernel import links
from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import announce, eventually, tell
from libs.schemas.delivery.domains import AddDomain, DomainView, ListDomains
from libs.schemas.delivery.emails import EmailPage, ListEmails
from libs.schemas.gateway import ProjectUpdated
from tests.service.delivery.driver import DeliveryDriver, address, content
from tests.service.delivery.sandbox import Sandbox


async def test_a_mail_reaches_ses_with_the_tags_for_its_notifications(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    queued = await driver.send(contact_id, data={"code": 7}, content=content("TRANSACTIONAL", "{{ name }}: {{ code }}"))
    await driver.reach_states({"sent": 1})
    (mail,) = sandbox.accepted(emailId=str(queued.email))
    assert (mail["subject"], mail["to"], mail["from"]) == ("Ann: 7", [address(contact_id)], "news@example.com")
    assert mail["tags"] == {
        "ses:feedback-id-a": "transactional",
        "ses:feedback-id-b": str(driver.project),
        "godwit_email": str(queued.email),
        "godwit_project": str(driver.project),
        "godwit_contact": str(contact_id),
        "godwit_source": "TRANSACTIONAL",
    }
    assert mail["headers"]["X-Godwit-Email"] == str(queued.email)
    view = await driver.email(queued.email)
    assert (view.state, view.attempt, view.message_id) == ("sent", 1, mail["id"])
    assert await driver.email_event_types() == ["email.queued", "email.sent"]


async def test_a_mail_uses_the_projects_language_if_the_contact_has_none(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    await driver.verify_domain()
    await driver.settled(await announce(driver.client, driver.project, _in_welsh(driver)))
    (contact_id,) = await driver.contacts(1)
    queued = await driver.send(contact_id, content=content("MARKETING"))
    await driver.reach_states({"sent": 1})
    (mail,) = sandbox.accepted(emailId=str(queued.email))
    assert "Dad-danysgrifio" in mail["html"] and "Dad-danysgrifio" in mail["text"]


async def test_a_mail_requested_twice_is_sent_once(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    email_id = uuid7()
    first = await driver.send(contact_id, email_id=email_id)
    again = await driver.send(contact_id, email_id=email_id)
    await driver.reach_states({"sent": 1})
    assert first.email == again.email == email_id
    assert datetime.fromisoformat(again.timestamp) == datetime.fromisoformat(first.timestamp)
    assert len(sandbox.accepted(emailId=str(email_id))) == 1


async def test_a_mail_to_an_unknown_contact_is_sent(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    await driver.send()
    await driver.reach_states({"sent": 1})


async def test_a_template_created_a_moment_ago_is_found(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    template_id = await driver.template(content("TRANSACTIONAL", "From a template"))
    queued = await driver.send(
        contact_id, content=None, template_id=template_id, overrides={"replyTo": "r@example.com"}
    )
    await driver.reach_states({"sent": 1})
    (mail,) = sandbox.accepted(emailId=str(queued.email))
    assert (mail["subject"], mail["headers"]["Reply-To"]) == ("From a template", "r@example.com")


async def test_a_rejected_mail_leaves_no_trace(driver: DeliveryDriver) -> None:
    domain = f"{driver.project.hex}.example"
    plain, marketing = content("TRANSACTIONAL", domain=domain), content("MARKETING", domain=domain)
    with pytest.raises(Rejected) as rejected:
        await driver.send(content=plain)
    assert rejected.value.code == "DOMAIN_NOT_REGISTERED"
    await tell(driver.client, driver.project, AddDomain(domain_id=uuid7(), domain=domain), DomainView)
    with pytest.raises(Rejected) as rejected:
        await driver.send(content=plain)
    assert rejected.value.code == "DOMAIN_NOT_VERIFIED"
    await driver.verify_domain(domain)
    with pytest.raises(Rejected) as rejected:
        await driver.send(content=None, template_id=uuid7())
    assert rejected.value.code == "TEMPLATE_NOT_FOUND"
    with pytest.raises(Rejected) as rejected:
        await driver.send(content=marketing, subscribed=False)
    assert rejected.value.code == "CONTACT_UNSUBSCRIBED"
    assert await driver.states() == {}
    assert "email.queued" not in await driver.email_event_types()


async def test_a_domain_of_another_project_is_rejected_like_an_unknown_one(driver: DeliveryDriver) -> None:
    domain = f"{driver.project.hex}.example"
    await DeliveryDriver(driver.runtime, uuid7()).verify_domain(domain)
    with pytest.raises(Rejected, match="is not registered"):
        await driver.send(content=content("TRANSACTIONAL", domain=domain))


async def test_a_mail_that_cannot_be_rendered_fails_without_affecting_others(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    bad = await driver.send(contact_id, content=content("TRANSACTIONAL", "{{ 1 | divided_by: 0 }}"))
    await driver.send(contact_id)
    await driver.reach_states({"sent": 1, "failed": 1})
    assert (
        await driver.email(bad.email)
    ).reason == "RENDERING_FAILED: FilterArgumentError: divided_by: can't divide by 0"


async def test_queued_marketing_mail_to_an_unsubscribed_contact_is_suppressed(
    driver: DeliveryDriver,
) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1, subscribed=False)
    queued = await driver.send(
        contact_id, content=content("MARKETING")
    )  # the caller believed that the contact was subscribed
    await driver.reach_states({"suppressed": 1})
    view = await driver.email(queued.email)
    assert (view.reason, view.attempt, view.message_id) == ("unsubscribed", 0, None)


async def test_the_link_in_a_mail_names_its_recipient(
    driver: DeliveryDriver, sandbox: Sandbox, config: Settings
) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    queued = await driver.send(contact_id, content=content("MARKETING"))
    await driver.reach_states({"sent": 1})
    (mail,) = sandbox.accepted(emailId=str(queued.email))
    token = mail["headers"]["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    assert links.verify(config.link_keys, token) == links.LinkTarget(driver.project, contact_id, queued.email)


async def test_mails_are_listed_newest_first_page_by_page(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    sent = [(await driver.send(contact_id)).email for contact_id in await driver.contacts(5)]
    await driver.reach_states({"sent": 5})
    first = await ask(driver.client, driver.project, ListEmails(limit=3), EmailPage)
    rest = await ask(driver.client, driver.project, ListEmails(limit=3, cursor=first.cursor), EmailPage)
    assert [mail.id for mail in first.data + rest.data] == sent[::-1]
    assert (first.total, first.has_more, rest.has_more, rest.cursor) == (5, True, False, None)


async def test_domains_are_listed(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    await driver.verify_domain("second.example")
    found = await ask(driver.client, driver.project, ListDomains(), list[DomainView])
    assert [(domain.domain, domain.verified) for domain in found] == [("example.com", True), ("second.example", True)]


async def test_throttled_mails_are_sent_later_without_counting_an_attempt(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    await driver.verify_domain()
    ids = await driver.contacts(5)
    sandbox.plant(driver.project, "throttle", count=5)
    sent = [await driver.send(contact_id) for contact_id in ids]
    await driver.reach_states({"sent": 5})
    assert {(await driver.email(mail.email)).attempt for mail in sent} == {1}
    assert len(sandbox.of_project(driver.project)) == 5


async def test_a_mail_that_ses_rejects_fails_with_its_reason(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    sandbox.plant(driver.project, "reject", count=1)
    queued = await driver.send(contact_id)
    await driver.reach_states({"failed": 1})
    assert ((await driver.email(queued.email)).reason or "").startswith("MessageRejected")
    assert sandbox.of_project(driver.project) == []


@pytest.mark.serial
async def test_a_mail_is_sent_within_seconds(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    await driver.send(contact_id)

    async def sent() -> bool:
        return await driver.states() == {"sent": 1}

    await eventually(sent, within=3.0)


def _in_welsh(driver: DeliveryDriver) -> ProjectUpdated:
    return ProjectUpdated(project_id=driver.project, name="Te Gwyrdd", language="cy")
