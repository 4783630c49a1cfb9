"""Who gets no mail: decided when a mail is claimed, however long it was queued."""

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


class Guard:
    """What is asked of the office about suppression."""

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

    async def foretold(self, people: Sequence[UUID]) -> dict[UUID, str]:
        query = FindSuppressed(readers={each: address(each) for each in people}, kind="MARKETING")
        return {each.contact_id: each.reason for each in await ask(self.client, self.project, query, list[Suppressed])}

    async def held_back(self) -> dict[UUID, str]:
        """Who got no mail, and for which reason."""
        query = "select contact_id, reason from email where project = $1 and state = 'suppressed'"
        rows = await self.driver.runtime.pool.fetch(query, self.project)
        return {row["contact_id"]: row["reason"].partition(":")[0] for row in rows}

    async def complain(self, contact_id: UUID) -> None:
        complained = EmailComplained(
            email_id=uuid7(), contact_id=contact_id, message_id="m", at=now(), recipient=address(contact_id)
        )
        await self.driver.settled(await announce(self.client, self.project, complained))

    async def bounce(self, contact_id: UUID) -> None:
        bounced = EmailBounced(
            email_id=uuid7(),
            contact_id=contact_id,
            message_id="m",
            at=now(),
            bounce_type="Permanent",
            bounce_sub_type="General",
            recipient=address(contact_id).upper(),
        )
        await self.driver.settled(await announce(self.client, self.project, bounced))


@pytest.fixture
async def guard(driver: DeliveryDriver) -> Guard:
    await driver.verify_domain()
    return Guard(driver)


async def test_a_rule_holds_back_what_it_matches_and_says_which_it_was(guard: Guard) -> None:
    rule = await guard.rule("SUFFIX", "+test")
    held = await guard.driver.send(recipient="Ann+Test@example.net")
    await guard.driver.send(recipient="ann@example.net")
    await guard.driver.become({"suppressed": 1, "sent": 1})
    assert (await guard.driver.email(held.email)).reason == "rule: No +test"
    preview = await guard.preview("bob+test@example.net")
    assert (preview.suppressed, preview.match) == (True, rule)


async def test_a_rule_that_is_made_while_mails_wait_holds_for_them(guard: Guard) -> None:
    driver = guard.driver
    people = await driver.contacts(3)
    campaign_id = uuid7()
    await driver.page(campaign_id, people)  # they wait for the content
    await driver.become({"queued": 3})
    await guard.rule("ADDRESS", address(people[0]))
    await driver.begin_sending(campaign_id)
    await driver.become({"suppressed": 1, "sent": 2})


async def test_a_rule_that_is_off_holds_nothing_back(guard: Guard) -> None:
    rule = await guard.rule("DOMAIN", "example.net")
    await guard.switch_off(rule)
    await guard.driver.send()
    await guard.driver.become({"sent": 1})
    (listed,) = await ask(guard.client, guard.project, ListSuppressionRules(), list[SuppressionRuleView])
    assert (listed.id, listed.enabled) == (rule.id, False)


async def test_a_rule_of_one_project_is_none_of_anothers(guard: Guard) -> None:
    await guard.rule("WILDCARD", "*")
    other = DeliveryDriver(guard.driver.runtime, uuid7())
    await other.verify_domain()
    await other.send()
    await other.become({"sent": 1})


async def test_an_address_on_the_list_gets_nothing_until_it_is_released(guard: Guard) -> None:
    (contact_id,) = await guard.driver.contacts(1)
    assert await guard.suppress(address(contact_id).upper(), "b@example.net") == SuppressedAddresses(added=2, known=0)
    assert (await guard.suppress("b@example.net")).known == 1
    await guard.driver.send(contact_id)
    await guard.driver.become({"suppressed": 1})
    assert (await guard.release(address(contact_id))).reason == "MANUAL"
    await guard.driver.send(contact_id)
    await guard.driver.become({"suppressed": 1, "sent": 1})
    with pytest.raises(Rejected) as no:
        await guard.release(address(contact_id))
    assert no.value.code == "SUPPRESSED_ADDRESS_NOT_FOUND"


async def test_the_list_is_read_page_by_page(guard: Guard) -> None:
    await guard.suppress("c@example.net", "a@example.net", "b@example.net")
    first = await guard.page(limit=2)
    rest = await guard.page(limit=2, cursor=first.cursor)
    assert [each.address for each in first.data + rest.data] == ["a@example.net", "b@example.net", "c@example.net"]
    assert (first.total, first.has_more, rest.has_more) == (3, True, False)


async def test_a_permanent_bounce_puts_the_address_on_both_lists_and_a_release_takes_it_off(
    guard: Guard, sandbox: Sandbox
) -> None:
    (contact_id,) = await guard.driver.contacts(1)
    await guard.bounce(contact_id)
    assert (await guard.preview(address(contact_id))).reason == "BOUNCE"
    assert await at_ses(sandbox, address(contact_id), True)
    await guard.release(address(contact_id))
    assert await at_ses(sandbox, address(contact_id), False)
    await guard.driver.send(contact_id)
    await guard.driver.become({"sent": 1})


async def test_a_mailbox_that_fails_time_after_time_gets_nothing_until_it_recovers_or_is_released(
    guard: Guard, sandbox: Sandbox
) -> None:
    (contact_id,) = await guard.driver.contacts(1)
    whose: dict[str, Any] = {"contact_id": contact_id, "recipient": address(contact_id), "at": now()}
    failing = MailboxFailing(**whose, bounces=5, since=now())
    await guard.driver.settled(await announce(guard.client, guard.project, failing))
    assert [(each.address, each.reason) for each in (await guard.page()).data] == [
        (address(contact_id), "REPEATED_BOUNCE")
    ]
    held = await guard.driver.send(contact_id)
    await guard.driver.become({"suppressed": 1})
    assert (await guard.driver.email(held.email)).reason == "bounced"
    assert await at_ses(sandbox, address(contact_id), False)  # it may take mail from others, and later from us
    recovered = MailboxRecovered(**whose)
    await guard.driver.settled(await announce(guard.client, guard.project, recovered, version=2))
    assert not (await guard.preview(address(contact_id))).suppressed
    await guard.driver.settled(await announce(guard.client, guard.project, failing, version=3))
    assert (await guard.release(address(contact_id))).reason == "REPEATED_BOUNCE"
    await guard.driver.send(contact_id)
    await guard.driver.become({"suppressed": 1, "sent": 1})


async def test_who_complained_gets_what_they_ask_for_and_who_subscribes_again_everything(guard: Guard) -> None:
    (contact_id,) = await guard.driver.contacts(1)
    await guard.complain(contact_id)
    await guard.driver.send(contact_id, content=content("MARKETING"))
    await guard.driver.become({"suppressed": 1})
    subscribed = ContactSubscribed(contact_id=contact_id, email=address(contact_id))
    await guard.driver.settled(await announce(guard.client, guard.project, subscribed, version=2))
    assert not (await guard.preview(address(contact_id))).suppressed


async def test_what_is_foretold_of_a_reader_is_what_the_claim_decides(guard: Guard) -> None:
    driver = guard.driver
    ruled, listed, bounced, complained, gone, fine = people = await driver.contacts(6)
    await guard.rule("ADDRESS", address(ruled))
    await guard.suppress(address(listed))
    await guard.bounce(bounced)
    await guard.complain(complained)
    await driver.unsubscribe(gone)
    reasons = ["rule", "listed", "bounced", "complained", "unsubscribed"]
    foretold = await guard.foretold(people)
    assert foretold == dict(zip((ruled, listed, bounced, complained, gone), reasons, strict=True))
    await driver.campaign(people)
    await driver.become({"suppressed": 5, "sent": 1})
    assert await guard.held_back() == foretold
    assert fine not in foretold


async def test_whom_ses_suppresses_gets_no_mail_from_here(guard: Guard, sandbox: Sandbox) -> None:
    pool = guard.driver.runtime.pool
    suppressed = f"{guard.project.hex}@example.net"
    sandbox.ses.put_suppressed_destination(EmailAddress=suppressed, Reason="BOUNCE")
    await pool.execute("update account_reading set due_at = now()")  # as if an hour had passed

    async def read() -> bool:
        query = "select true from account_suppression where address = $1"
        return bool(await pool.fetchval(query, suppressed))

    await eventually(read, 30)
    await guard.driver.send(recipient=suppressed)
    await guard.driver.become({"suppressed": 1})


async def at_ses(sandbox: Sandbox, of: str, listed: bool) -> bool:
    """Wait until the account's list has the address, or has it no longer."""
    ses = sandbox.ses

    async def so_far() -> bool:
        try:
            ses.get_suppressed_destination(EmailAddress=of)
        except ses.exceptions.NotFoundException:
            return not listed
        return listed

    return await eventually(so_far, 30)
