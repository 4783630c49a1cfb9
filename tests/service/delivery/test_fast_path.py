"""The fast path: transactional mail is claimed in the transaction that queues it, if nothing stands in the way."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast
from uuid import UUID

import pytest

from libs.runtime.eventstore.store import Connection, UnitOfWork, transaction
from libs.runtime.process.testing import eventually, tell
from libs.schemas.delivery.emails import EmailView
from libs.schemas.delivery.sending_limits import SendingLimits, SetSendingLimits
from services.delivery.claiming import claims
from services.delivery.ledger.mail import Mail
from tests.service.delivery.driver import DeliveryDriver
from tests.service.delivery.sandbox import Sandbox


class Claimed:
    """Records the mails that were claimed while they were being queued."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._claim_new: Callable[..., Awaitable[list[Mail]]] = claims.claim_new
        self.ids: set[UUID] = set()
        monkeypatch.setattr(claims, "claim_new", self)

    async def __call__(self, unit: UnitOfWork, ids: Sequence[UUID], *others: Any) -> list[Mail]:
        mails = await self._claim_new(unit, ids, *others)
        self.ids |= {mail.id for mail in mails}
        return mails


class LostCommit:
    """Loses the response to the commit of the first transaction that claims mails while queueing them."""

    def __init__(self, claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
        self._claimed = claimed
        self.lost = False
        monkeypatch.setattr("libs.runtime.messaging.group_commit.transaction", self)

    def __call__(self, conn: Connection) -> AbstractAsyncContextManager[list[UnitOfWork]]:
        return transaction(cast(Connection, LosingConnection(conn, self.done)))

    def done(self) -> None:
        if self._claimed.ids and not self.lost:
            self.lost = True
            raise ConnectionResetError("the response to COMMIT is lost")


class LosingConnection:
    """A connection as a transaction needs it. `done` is called after the commit."""

    def __init__(self, conn: Connection, done: Callable[[], None]) -> None:
        self._conn = conn
        self._done = done

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self._conn.transaction():
            yield
        self._done()


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> Claimed:
    return Claimed(monkeypatch)


async def send_claimed(driver: DeliveryDriver, claimed: Claimed, contact: UUID) -> UUID:
    """Send mails until one is claimed while it is queued: at first others may stand in its way."""
    found: list[UUID] = []

    async def sent() -> bool:
        email = (await driver.send(contact)).email
        await driver.reach_states({"sent": len(await driver.ids())})
        found.extend(claimed.ids & {email})
        return bool(found)

    await eventually(sent)
    return found[0]


async def test_a_mail_is_claimed_while_it_is_queued_and_sent_once(
    driver: DeliveryDriver, sandbox: Sandbox, claimed: Claimed
) -> None:
    await driver.verify_domain()
    (contact,) = await driver.contacts(1)
    email = await send_claimed(driver, claimed, contact)
    assert len(sandbox.accepted(emailId=str(email))) == 1
    view: EmailView = await driver.email(email)
    assert (view.state, view.attempt) == ("sent", 1)


async def test_a_mail_whose_recipient_has_not_arrived_stays_queued(driver: DeliveryDriver, claimed: Claimed) -> None:
    await driver.verify_domain()
    (contact,) = await driver.contacts(1)
    await send_claimed(driver, claimed, contact)
    unheard_of = (await driver.send()).email
    await driver.reach_states({"sent": len(await driver.ids())})
    assert unheard_of not in claimed.ids


async def test_a_mail_of_a_project_with_limits_waits_for_its_turn(driver: DeliveryDriver, claimed: Claimed) -> None:
    await driver.verify_domain()
    (contact,) = await driver.contacts(1)
    await send_claimed(driver, claimed, contact)
    command = SetSendingLimits(project_id=driver.project, per_second=50.0, domains={})
    await tell(driver.client, driver.project, command, SendingLimits)
    limited = {(await driver.send(contact)).email for _ in range(3)}
    await driver.reach_states({"sent": len(await driver.ids())})
    assert not limited & claimed.ids


async def test_a_mail_that_must_not_be_sent_is_rejected_at_once(
    driver: DeliveryDriver, sandbox: Sandbox, claimed: Claimed
) -> None:
    """The claim decides it as for all other mails, for example that the domain was lost."""
    await driver.verify_domain()
    person, gone = await driver.contacts(2)
    await driver.unsubscribe(gone)
    await send_claimed(driver, claimed, person)
    before = await driver.states()
    marketing = {"content": None, "template_id": await driver.template(), "subscribed": True}
    email = (await driver.send(gone, **marketing)).email
    await driver.reach_states(before | {"suppressed": 1})
    assert await driver.email_event_types() == [
        *["email.queued", "email.sent"] * before["sent"],
        "email.queued",
        "email.suppressed",
    ]
    assert not sandbox.accepted(emailId=str(email))


async def test_a_mail_whose_commit_got_no_response_is_requeued_and_sent_once(
    driver: DeliveryDriver, sandbox: Sandbox, claimed: Claimed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender does not know of the claim, so it would otherwise stay claimed until lease and grace period end."""
    await driver.verify_domain()
    (contact,) = await driver.contacts(1)
    lost = LostCommit(claimed, monkeypatch)
    email = await send_claimed(driver, claimed, contact)
    assert lost.lost
    assert len(sandbox.accepted(emailId=str(email))) == 1
    assert await driver.email_event_types() == ["email.queued", "email.sent"] * len(await driver.ids())
