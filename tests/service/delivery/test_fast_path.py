"""Mail that somebody waits for is claimed in the transaction that queues it, where nothing stands in the way."""

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
    """The mails that were claimed as they were queued."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._claim_new: Callable[..., Awaitable[list[Mail]]] = claims.claim_new
        self.ids: set[UUID] = set()
        monkeypatch.setattr(claims, "claim_new", self)

    async def __call__(self, unit: UnitOfWork, ids: Sequence[UUID], *others: Any) -> list[Mail]:
        mails = await self._claim_new(unit, ids, *others)
        self.ids |= {mail.id for mail in mails}
        return mails


class LostCommit:
    """The commit of the first transaction that claims mails as it queues them is done, and its answer is lost."""

    def __init__(self, claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
        self._claimed = claimed
        self.lost = False
        monkeypatch.setattr("libs.runtime.messaging.group_commit.transaction", self)

    def __call__(self, conn: Connection) -> AbstractAsyncContextManager[list[UnitOfWork]]:
        return transaction(cast(Connection, Losing(conn, self.done)))

    def done(self) -> None:
        if self._claimed.ids and not self.lost:
            self.lost = True
            raise ConnectionResetError("the answer to COMMIT is lost")


class Losing:
    """What a transaction needs of a connection; `done` is called when it is committed."""

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
    """A mail that was claimed as it was queued. At first others may be in its way."""
    found: list[UUID] = []

    async def sent() -> bool:
        email = (await driver.send(contact)).email
        await driver.become({"sent": len(await driver.ids())})
        found.extend(claimed.ids & {email})
        return bool(found)

    await eventually(sent)
    return found[0]


async def test_a_mail_is_claimed_as_it_is_queued_and_sent_once(
    driver: DeliveryDriver, sandbox: Sandbox, claimed: Claimed
) -> None:
    await driver.verify_domain()
    (contact,) = await driver.contacts(1)
    email = await send_claimed(driver, claimed, contact)
    assert len(sandbox.accepted(emailId=str(email))) == 1
    view: EmailView = await driver.email(email)
    assert (view.state, view.attempt) == ("sent", 1)


async def test_one_whose_recipient_has_not_arrived_waits_in_the_queue(driver: DeliveryDriver, claimed: Claimed) -> None:
    await driver.verify_domain()
    (contact,) = await driver.contacts(1)
    await send_claimed(driver, claimed, contact)
    unheard_of = (await driver.send()).email
    await driver.become({"sent": len(await driver.ids())})
    assert unheard_of not in claimed.ids


async def test_one_of_a_project_that_limits_itself_waits_for_its_turn(driver: DeliveryDriver, claimed: Claimed) -> None:
    await driver.verify_domain()
    (contact,) = await driver.contacts(1)
    await send_claimed(driver, claimed, contact)
    command = SetSendingLimits(project_id=driver.project, per_second=50.0, domains={})
    await tell(driver.client, driver.project, command, SendingLimits)
    limited = {(await driver.send(contact)).email for _ in range(3)}
    await driver.become({"sent": len(await driver.ids())})
    assert not limited & claimed.ids


async def test_one_that_must_not_be_sent_is_put_away_at_once(
    driver: DeliveryDriver, sandbox: Sandbox, claimed: Claimed
) -> None:
    """Whose domain was lost, for example: it is decided in the claim, as for all others."""
    await driver.verify_domain()
    person, gone = await driver.contacts(2)
    await driver.unsubscribe(gone)
    await send_claimed(driver, claimed, person)
    before = await driver.states()
    marketing = {"content": None, "template_id": await driver.template(), "subscribed": True}
    email = (await driver.send(gone, **marketing)).email
    await driver.become(before | {"suppressed": 1})
    assert await driver.told() == [*["email.queued", "email.sent"] * before["sent"], "email.queued", "email.suppressed"]
    assert not sandbox.accepted(emailId=str(email))


async def test_one_whose_commit_got_no_answer_is_queued_again_and_sent_once(
    driver: DeliveryDriver, sandbox: Sandbox, claimed: Claimed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is claimed by a sender that does not know: without more it would wait for the end of the lease, and of the
    grace."""
    await driver.verify_domain()
    (contact,) = await driver.contacts(1)
    lost = LostCommit(claimed, monkeypatch)
    email = await send_claimed(driver, claimed, contact)
    assert lost.lost
    assert len(sandbox.accepted(emailId=str(email))) == 1
    assert await driver.told() == ["email.queued", "email.sent"] * len(await driver.ids())
