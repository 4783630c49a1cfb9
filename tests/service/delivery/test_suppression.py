"""Suppression: decided when a mail is claimed, however long it was queued."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.testing import announce, eventually, tell
from libs.schemas.contacts.contacts import ContactSubscribed
from libs.schemas.delivery.emails import FindSuppressed, Suppressed
from libs.schemas.delivery.suppressions import (
    CreateSuppressionRule,
    ListSuppressedAddresses,
    ListSuppressionRules,
    PreviewSuppression,
    ReleaseAddress,
    RuleKind,
    SuppressAddresses,
    SuppressedAddresses,
    SuppressedAddressPage,
    SuppressedAddressView,
    SuppressionPreview,
    SuppressionRuleView,
    UpdateSuppressionRule,
)
from libs.schemas.feedback.mails import EmailBounced, EmailComplained, MailboxFailing, MailboxRecovered
from tests.service.delivery.driver import DeliveryDriver, address, content
from tests.service.delivery.sandbox import Sandbox


class SuppressionDriver:
    """Drives suppression through the service of `driver`."""

    def __init__(self, driver: DeliveryDriver) -> None:
        self.driver = driver
        self.client, self.project = driver.client, driver.project

    async def rule(self, kind: RuleKind, pattern: str) -> SuppressionRuleView:
        command = CreateSuppressionRule(rule_id=uuid7(), name=f"No {pattern}", kind=kind, pattern=pattern)
        return await tell(self.client, self.project, command, SuppressionRuleView)

    async def switch_off(self, rule: SuppressionRuleView) -> None:
        command = UpdateSuppressionRule(
            rule_id=rule.id, name=rule.name, kind=rule.kind, pattern=rule.pattern, enabled=False
        )
        await tell(self.client, self.project, command, SuppressionRuleView)

    async def suppress(self, *addresses: str) -> SuppressedAddresses:
        return await tell(self.client, self.project, SuppressAddresses(addresses=list(addresses)), SuppressedAddresses)

    async def release(self, of: str) -> SuppressedAddressView:
        return await tell(self.client, self.project, ReleaseAddress(address=of), SuppressedAddressView)

    async def preview(self, of: str) -> SuppressionPreview:
        return await ask(self.client, self.project, PreviewSuppression(address=of), SuppressionPreview)

    async def page(self, limit: int = 20, cursor: str | None = None) -> SuppressedAddressPage:
        query = ListSuppressedAddresses(limit=limit, cursor=cursor)
        return await ask(self.client, self.project, query, SuppressedAddressPage)

    async def find_suppressed(self, people: Sequence[UUID]) -> dict[UUID, str]:
        query = FindSuppressed(readers={each: address(each) for each in people}, kind="MARKETING")
        return {each.contact_id: each.reason for each in await ask(self.client, self.project, query, list[Suppressed])}

    async def suppressed(self) -> dict[UUID, str]:
        """Return the contacts that got no mail, and why."""
        query = "select contact_id, reason from email where project = $1 and state = 'suppressed'"
        rows = await self.driver.runtime.pool.fetch(query, self.project)
        return {row["contact_id"]: row["reason"].partition(":")[0] for row in rows}

    async def complain(self, contact_id: UUID) -> None:
        complained = EmailComplained(
            email_id=uuid7(), contact_id=contact_id, message_id="m", at=now(), recipient=address(contact_id)
        )
        await self.driver.settled(await announce(self.client, self.project, complained))

    async def bounce(self, contact_id: UUID, recipient: str | None = "") -> None:
        """Report a bounce of the contact's address, of another recipient, or of none that is named."""
        bounced = EmailBounced(
            email_id=uuid7(),
            contact_id=contact_id,
            message_id="m",
            at=now(),
            bounce_type="Permanent",
            bounce_sub_type="General",
            recipient=address(contact_id).upper() if recipient == "" else recipient,
        )
        await self.driver.settled(await announce(self.client, self.project, bounced))


@pytest.fixture
async def suppression(driver: DeliveryDriver) -> SuppressionDriver:
    await driver.verify_domain()
    return SuppressionDriver(driver)


async def test_a_rule_suppresses_matching_mail_and_is_named_in_the_event(suppression: SuppressionDriver) -> None:
    rule = await suppression.rule("SUFFIX", "+test")
    held = await suppression.driver.send(recipient="Ann+Test@example.net")
    await suppression.driver.send(recipient="ann@example.net")
    await suppression.driver.reach_states({"suppressed": 1, "sent": 1})
    assert (await suppression.driver.email(held.email)).reason == "rule: No +test"
    preview = await suppression.preview("bob+test@example.net")
    assert (preview.suppressed, preview.match) == (True, rule)


async def test_a_new_rule_applies_to_queued_mails(suppression: SuppressionDriver) -> None:
    driver = suppression.driver
    people = await driver.contacts(3)
    campaign_id = uuid7()
    await driver.page(campaign_id, people)  # they wait for their content
    await driver.reach_states({"queued": 3})
    await suppression.rule("ADDRESS", address(people[0]))
    await driver.begin_sending(campaign_id)
    await driver.reach_states({"suppressed": 1, "sent": 2})


async def test_a_disabled_rule_suppresses_nothing(suppression: SuppressionDriver) -> None:
    rule = await suppression.rule("DOMAIN", "example.net")
    await suppression.switch_off(rule)
    await suppression.driver.send()
    await suppression.driver.reach_states({"sent": 1})
    (listed,) = await ask(suppression.client, suppression.project, ListSuppressionRules(), list[SuppressionRuleView])
    assert (listed.id, listed.enabled) == (rule.id, False)


async def test_a_rule_applies_to_its_own_project_only(suppression: SuppressionDriver) -> None:
    await suppression.rule("WILDCARD", "*")
    other = DeliveryDriver(suppression.driver.runtime, uuid7())
    await other.verify_domain()
    await other.send()
    await other.reach_states({"sent": 1})


async def test_a_bounce_blocks_the_contact_only_if_it_names_the_contacts_address_or_none(
    suppression: SuppressionDriver,
) -> None:
    named, other, unnamed = await suppression.driver.contacts(3)
    await suppression.bounce(named)
    await suppression.bounce(other, "team@example.com")
    await suppression.bounce(unnamed, None)
    for contact_id in (named, other, unnamed):
        await suppression.driver.send(contact_id)
    await suppression.driver.reach_states({"suppressed": 2, "sent": 1})
    assert await suppression.suppressed() == {named: "bounced", unnamed: "bounced"}


async def test_a_listed_address_gets_no_mail_until_it_is_released(suppression: SuppressionDriver) -> None:
    (contact_id,) = await suppression.driver.contacts(1)
    assert await suppression.suppress(address(contact_id).upper(), "b@example.net") == SuppressedAddresses(
        added=2, known=0
    )
    assert (await suppression.suppress("b@example.net")).known == 1
    await suppression.driver.send(contact_id)
    await suppression.driver.reach_states({"suppressed": 1})
    assert (await suppression.release(address(contact_id))).reason == "MANUAL"
    await suppression.driver.send(contact_id)
    await suppression.driver.reach_states({"suppressed": 1, "sent": 1})
    with pytest.raises(Rejected) as rejected:
        await suppression.release(address(contact_id))
    assert rejected.value.code == "SUPPRESSED_ADDRESS_NOT_FOUND"


async def test_the_list_is_paginated(suppression: SuppressionDriver) -> None:
    await suppression.suppress("c@example.net", "a@example.net", "b@example.net")
    first = await suppression.page(limit=2)
    rest = await suppression.page(limit=2, cursor=first.cursor)
    assert [each.address for each in first.data + rest.data] == ["a@example.net", "b@example.net", "c@example.net"]
    assert (first.total, first.has_more, rest.has_more) == (3, True, False)


async def test_a_permanent_bounce_lists_the_address_here_and_at_ses_until_its_release(
    suppression: SuppressionDriver, sandbox: Sandbox
) -> None:
    (contact_id,) = await suppression.driver.contacts(1)
    await suppression.bounce(contact_id)
    assert (await suppression.preview(address(contact_id))).reason == "BOUNCE"
    assert await at_ses(sandbox, address(contact_id), True)
    await suppression.release(address(contact_id))
    assert await at_ses(sandbox, address(contact_id), False)
    await suppression.driver.send(contact_id)
    await suppression.driver.reach_states({"sent": 1})


async def test_a_failing_mailbox_gets_no_mail_until_it_recovers_or_is_released(
    suppression: SuppressionDriver, sandbox: Sandbox
) -> None:
    (contact_id,) = await suppression.driver.contacts(1)
    whose: dict[str, Any] = {"contact_id": contact_id, "recipient": address(contact_id), "at": now()}
    failing = MailboxFailing(**whose, bounces=5, since=now())
    await suppression.driver.settled(await announce(suppression.client, suppression.project, failing))
    assert [(each.address, each.reason) for each in (await suppression.page()).data] == [
        (address(contact_id), "REPEATED_BOUNCE")
    ]
    held = await suppression.driver.send(contact_id)
    await suppression.driver.reach_states({"suppressed": 1})
    assert (await suppression.driver.email(held.email)).reason == "bounced"
    assert await at_ses(sandbox, address(contact_id), False)  # it may accept mail from others, and later from us
    recovered = MailboxRecovered(**whose)
    await suppression.driver.settled(await announce(suppression.client, suppression.project, recovered, version=2))
    assert not (await suppression.preview(address(contact_id))).suppressed
    await suppression.driver.settled(await announce(suppression.client, suppression.project, failing, version=3))
    assert (await suppression.release(address(contact_id))).reason == "REPEATED_BOUNCE"
    await suppression.driver.send(contact_id)
    await suppression.driver.reach_states({"suppressed": 1, "sent": 1})


async def test_a_contact_who_complained_gets_only_requested_mail_until_they_resubscribe(
    suppression: SuppressionDriver,
) -> None:
    (contact_id,) = await suppression.driver.contacts(1)
    await suppression.complain(contact_id)
    await suppression.driver.send(contact_id, content=content("MARKETING"))
    await suppression.driver.reach_states({"suppressed": 1})
    subscribed = ContactSubscribed(contact_id=contact_id, email=address(contact_id))
    await suppression.driver.settled(await announce(suppression.client, suppression.project, subscribed, version=2))
    assert not (await suppression.preview(address(contact_id))).suppressed


async def test_the_preview_of_suppressed_recipients_matches_the_claim(suppression: SuppressionDriver) -> None:
    driver = suppression.driver
    ruled, listed, bounced, complained, gone, fine = people = await driver.contacts(6)
    await suppression.rule("ADDRESS", address(ruled))
    await suppression.suppress(address(listed))
    await suppression.bounce(bounced)
    await suppression.complain(complained)
    await driver.unsubscribe(gone)
    reasons = ["rule", "listed", "bounced", "complained", "unsubscribed"]
    find_suppressed = await suppression.find_suppressed(people)
    assert find_suppressed == dict(zip((ruled, listed, bounced, complained, gone), reasons, strict=True))
    await driver.campaign(people)
    await driver.reach_states({"suppressed": 5, "sent": 1})
    assert await suppression.suppressed() == find_suppressed
    assert fine not in find_suppressed


async def test_an_address_on_the_account_list_gets_no_mail(suppression: SuppressionDriver, sandbox: Sandbox) -> None:
    pool = suppression.driver.runtime.pool
    suppressed = f"{suppression.project.hex}@example.net"
    sandbox.ses.put_suppressed_destination(EmailAddress=suppressed, Reason="BOUNCE")
    await pool.execute("update account_reading set due_at = now()")  # as if an hour had passed

    async def read() -> bool:
        query = "select true from account_suppression where address = $1"
        return bool(await pool.fetchval(query, suppressed))

    await eventually(read, 30)
    await suppression.driver.send(recipient=suppressed)
    await suppression.driver.reach_states({"suppressed": 1})


async def at_ses(sandbox: Sandbox, of: str, listed: bool) -> bool:
    """Wait until the account's list has the address, or no longer has it."""
    ses = sandbox.ses

    async def so_far() -> bool:
        try:
            ses.get_suppressed_destination(EmailAddress=of)
        except ses.exceptions.NotFoundException:
            return not listed
        return listed

    return await eventually(so_far, 30)
