"""Requests for transactional mail: several recipients, default senders, headers, tracking, one-time codes."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import announce, running, tell
from libs.schemas.delivery.content import Content, MailOptions
from libs.schemas.delivery.emails import CheckOrder, EmailRecipient, QueuedEmails, SendEmails, ValidatedEmail
from libs.schemas.gateway import ProjectUpdated
from services.delivery.app import build
from tests.conftest import Stack
from tests.service.delivery.driver import DeliveryDriver, address, content
from tests.service.delivery.sandbox import Sandbox


@pytest.fixture(scope="module")
def config(stack: Stack, sandbox: Sandbox) -> Settings:
    return stack.settings(
        "delivery", aws_endpoint_url=sandbox.url, configuration_set_untracked="no-tracking", unknown_grace=600.0
    )


@pytest.fixture(scope="module")
async def delivery(config: Settings, stack: Stack) -> AsyncIterator[Runtime]:
    async with running(build(config), config) as runtime:
        await stack.until_caught_up("delivery")
        yield runtime


def to(*contact_ids: Any, subscribed: bool = True) -> list[EmailRecipient]:
    return [
        EmailRecipient(email_id=uuid7(), contact_id=each, address=address(each), subscribed=subscribed)
        for each in contact_ids
    ]


async def request(driver: DeliveryDriver, recipients: list[EmailRecipient], **changes: Any) -> QueuedEmails:
    usual: dict[str, Any] = {"recipients": recipients, "content": content("TRANSACTIONAL")}
    return await tell(driver.client, driver.project, SendEmails(**usual | changes), QueuedEmails)


async def mail_of(driver: DeliveryDriver, sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """Return what SES got for a mail that was requested like this."""
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    queued = await request(driver, to(contact_id), **changes)
    await driver.reach_states({"sent": 1})
    (mail,) = sandbox.accepted(emailId=str(queued.emails[0]))
    return mail


async def test_one_request_sends_a_mail_to_each_recipient(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await driver.verify_domain()
    recipients = to(*await driver.contacts(3))
    queued = await request(driver, recipients)
    assert queued.emails == [each.email_id for each in recipients]
    await driver.reach_states({"sent": 3})
    assert sorted(mail["to"][0] for mail in sandbox.of_project(driver.project)) == sorted(r.address for r in recipients)


async def test_if_one_recipient_is_rejected_nobody_gets_the_mail(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    recipients = to(uuid4(), uuid4()) + to(uuid4(), subscribed=False)
    with pytest.raises(Rejected) as rejected:
        await request(driver, recipients, content=content("MARKETING"))
    assert rejected.value.code == "CONTACT_UNSUBSCRIBED" and recipients[2].address in rejected.value.message
    assert await driver.states() == {} and "email.queued" not in await driver.email_event_types()


async def test_a_repeated_request_gets_the_same_reply(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    recipients = to(*await driver.contacts(2))
    first, again = await request(driver, recipients), await request(driver, recipients)
    assert first == again
    await driver.reach_states({"sent": 2})


async def test_a_mail_without_a_sender_comes_from_the_projects_domain(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    without_sender = Content(subject="Hi", body="b", from_email="", kind="TRANSACTIONAL")
    with pytest.raises(Rejected) as rejected:
        await request(driver, to(uuid4()), content=without_sender)
    assert rejected.value.errors[0].field == "from"
    assert (await mail_of(driver, sandbox, content=without_sender))["from"] == "no-reply@example.com"


async def test_headers_and_the_recipients_name_are_sent(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    mail = await mail_of(driver, sandbox, extras=MailOptions(headers={"X-Order": "42", "References": "<a@b.example>"}))
    assert (mail["headers"]["X-Order"], mail["headers"]["References"]) == ("42", "<a@b.example>")
    assert mail["text"].strip() == "Dear Ann" and "<p>Dear Ann</p>" in mail["html"]
    named = [
        EmailRecipient(email_id=uuid7(), contact_id=uuid4(), address="bee@example.net", subscribed=True, name="Bee Ü")
    ]
    queued = await request(driver, named)
    await driver.reach_states({"sent": 2})
    (mail,) = sandbox.accepted(emailId=str(queued.emails[0]))
    assert mail["headers"]["To"].endswith("<bee@example.net>") and mail["to"] == ["bee@example.net"]


@pytest.mark.parametrize("headers", [{"Bcc": "x@example.com"}, {"X-A": "b\r\nBcc: x@example.com"}, {"X-A\r\nBcc": "b"}])
async def test_reserved_headers_are_rejected_here_too(driver: DeliveryDriver, headers: dict[str, str]) -> None:
    await driver.verify_domain()
    with pytest.raises(Rejected) as rejected:
        await request(driver, to(uuid4()), extras=MailOptions(headers=headers))
    assert rejected.value.errors[0].field == f"headers.{next(iter(headers))}"
    assert await driver.states() == {}


async def test_a_mail_may_be_sent_without_tracking(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    mail = await mail_of(driver, sandbox, extras=MailOptions(tracking=False))
    assert mail["configurationSet"] == "no-tracking"


async def test_a_project_without_tracking_sends_only_its_bulk_mail_untracked(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    changed = ProjectUpdated(project_id=driver.project, name="P", tracking=False)
    await driver.settled(await announce(driver.client, driver.project, changed, version=2))
    await driver.campaign(await driver.contacts(1))
    await driver.reach_states({"sent": 1})
    [bulk] = await driver.ids()
    ordered = await request(driver, to(*await driver.contacts(1)))
    await driver.reach_states({"sent": 2})
    found = [sandbox.accepted(emailId=str(email_id)) for email_id in (bulk, ordered.emails[0])]
    assert [mail["configurationSet"] for (mail,) in found] == ["no-tracking", "godwit"]


async def test_an_untracked_mail_is_rejected_where_everything_is_tracked(
    stack: Stack, driver: DeliveryDriver, config: Settings
) -> None:
    await driver.verify_domain()
    tracking = stack.settings("delivery", aws_endpoint_url=config.aws_endpoint_url)
    check = build(tracking).queries[CheckOrder]
    async with driver.runtime.pool.acquire() as conn:
        with pytest.raises(Rejected) as rejected:
            request = CheckOrder(content=content("TRANSACTIONAL"), extras=MailOptions(tracking=False))
            await check(conn, driver.project, request)
    assert rejected.value.errors[0].field == "tracking"


async def test_a_request_can_be_checked_without_sending_anything(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    template_id = await driver.template(content("MARKETING"))
    checked = await ask(driver.client, driver.project, CheckOrder(template_id=template_id), ValidatedEmail)
    assert checked.kind == "MARKETING"
    for wrong, code in (
        (CheckOrder(template_id=uuid4()), "TEMPLATE_NOT_FOUND"),
        (CheckOrder(content=content("TRANSACTIONAL", domain="nobodys.example")), "DOMAIN_NOT_REGISTERED"),
        (CheckOrder(content=content("TRANSACTIONAL", subject="{% if %}")), "VALIDATION_ERROR"),
    ):
        with pytest.raises(Rejected) as rejected:
            await ask(driver.client, driver.project, wrong, ValidatedEmail)
        assert rejected.value.code == code
    assert await driver.states() == {}


async def test_a_one_time_code_has_a_grace_period_of_half_a_minute(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await driver.verify_domain()
    (contact_id,) = await driver.contacts(1)
    sandbox.plant(driver.project, "reset_after_accept", count=2)
    codes = await request(driver, to(contact_id), extras=MailOptions(one_time_code=True))
    others = await request(driver, to(contact_id))
    await driver.reach_states({"unknown": 2})
    due = "select extract(epoch from due_at - updated_at)::int from email where id = $1"
    waits = [await driver.runtime.pool.fetchval(due, queued.emails[0]) for queued in (codes, others)]
    assert waits == [30, 600]
    await driver.settle_all()
