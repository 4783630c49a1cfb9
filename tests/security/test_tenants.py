"""Two projects on one installation: what one of them does to the SES account never reaches the other.

The servers are this module's own, because a fake delivery service answers on those of the package.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import nats
import pytest

from deploy.provisioning.prepare import prepare_services
from deploy.services import declared_services
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import announce, eventually, tell
from libs.schemas.base import Event
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.delivery.emails import CheckOrder
from libs.schemas.delivery.suppressions import (
    ListedReason,
    ReleaseAddress,
    SuppressAddresses,
    SuppressedAddresses,
    SuppressedAddressView,
)
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from services.delivery.intake.references import look_up
from tests.backends import role_passwords
from tests.backends import test_backend as backend_for_tests
from tests.conftest import Stack
from tests.service.delivery.conftest import config, delivery, feedback, healthy, sandbox
from tests.service.delivery.driver import DeliveryDriver
from tests.service.delivery.sandbox import Sandbox

__all__ = ["config", "delivery", "feedback", "healthy", "sandbox"]


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    directory: Path = tmp_path_factory.mktemp("tenants")
    with backend_for_tests(directory) as backend:
        services = declared_services()
        await prepare_services(backend.admin_url, backend.nats_url, services, role_passwords(services))
        client = await nats.connect(backend.nats_url)
        yield Stack(backend, client)
        await client.close()


class Tenant:
    """One project at a running service."""

    def __init__(self, delivery: Runtime) -> None:
        self.driver = DeliveryDriver(delivery, uuid4())
        self.project = self.driver.project
        self.client = delivery.client

    async def list_by_hand(self, address: str, reason: ListedReason) -> None:
        command = SuppressAddresses(addresses=[address], reason=reason)
        await tell(self.client, self.project, command, SuppressedAddresses)

    async def release(self, address: str) -> None:
        await tell(self.client, self.project, ReleaseAddress(address=address), SuppressedAddressView)

    async def hear_of_bounce(self, address: str, contact_id: UUID | None = None) -> None:
        await self.hear(
            EmailBounced(
                email_id=uuid7(),
                contact_id=contact_id or uuid7(),
                message_id="m",
                at=now(),
                bounce_type="Permanent",
                bounce_sub_type="General",
                recipient=address,
            )
        )

    async def hear_of_complaint(self, address: str) -> None:
        complained = EmailComplained(email_id=uuid7(), contact_id=uuid7(), message_id="m", at=now(), recipient=address)
        await self.hear(complained)

    async def hear(self, event: Event, version: int = 1) -> None:
        await self.driver.settled(await announce(self.client, self.project, event, version=version))

    async def send(self, address: str) -> str:
        """Send a mail to the address and return what becomes of it."""
        await self.driver.verify_domain()
        email = await self.driver.send(recipient=address)

        async def final() -> str | None:
            state = (await self.driver.email(email.email)).state
            return state if state not in ("queued", "claimed") else None

        return await eventually(final, 30)


@pytest.fixture
def attacker(delivery: Runtime) -> Tenant:
    return Tenant(delivery)


@pytest.fixture
def victim(delivery: Runtime) -> Tenant:
    return Tenant(delivery)


@pytest.fixture
def address() -> str:
    return f"{uuid4().hex}@example.net"


async def told_ses(tenant: Tenant) -> None:
    """Wait until SES has been told everything that was queued for it."""

    async def so_far() -> bool:
        return not await tenant.driver.runtime.pool.fetchval("select count(*) from account_telling")

    await eventually(so_far, 30)


def listed(sandbox: Sandbox) -> set[str]:
    summaries = sandbox.ses.list_suppressed_destinations(PageSize=1000)["SuppressedDestinationSummaries"]
    return {summary["EmailAddress"] for summary in summaries}


@pytest.mark.parametrize("reason", ["BOUNCE", "COMPLAINT", "MANUAL"])
async def test_an_address_listed_by_hand_is_withheld_from_its_project_only(
    attacker: Tenant, victim: Tenant, sandbox: Sandbox, address: str, reason: ListedReason
) -> None:
    await attacker.list_by_hand(address, reason)
    await told_ses(attacker)
    assert address not in listed(sandbox)
    assert await victim.send(address) == "sent"
    if reason != "COMPLAINT":  # whoever complained still gets the mails they asked for
        assert await attacker.send(address) == "suppressed"


@pytest.mark.parametrize("reason", ["BOUNCE", "COMPLAINT"])
async def test_a_release_of_ones_own_entry_leaves_what_ses_reported_to_others(
    attacker: Tenant, victim: Tenant, sandbox: Sandbox, address: str, reason: ListedReason
) -> None:
    await victim.hear_of_bounce(address)
    await told_ses(victim)
    assert address in listed(sandbox)
    await attacker.list_by_hand(address, reason)
    await attacker.release(address)
    await told_ses(attacker)
    assert address in listed(sandbox)
    assert await victim.send(address) == "suppressed"


async def test_a_reported_address_comes_off_once_the_last_project_has_released_it(
    attacker: Tenant, victim: Tenant, sandbox: Sandbox, address: str
) -> None:
    await victim.hear_of_complaint(address)
    await attacker.hear_of_bounce(address)
    await told_ses(victim)
    await attacker.release(address)
    await told_ses(attacker)
    assert address in listed(sandbox)
    await victim.release(address)
    await told_ses(victim)
    assert address not in listed(sandbox)
    assert await attacker.send(address) == "sent"


async def test_a_manual_entry_beside_a_report_does_not_lose_the_report(
    attacker: Tenant, victim: Tenant, sandbox: Sandbox, address: str
) -> None:
    await victim.list_by_hand(address, "MANUAL")
    await victim.hear_of_bounce(address)
    await attacker.hear_of_bounce(address)
    await attacker.release(address)
    await told_ses(attacker)
    assert address in listed(sandbox)
    await victim.release(address)
    await told_ses(victim)
    assert address not in listed(sandbox)


@pytest.mark.parametrize("also_by_hand", [False, True])
async def test_the_report_of_a_deleted_contact_still_counts(
    attacker: Tenant, victim: Tenant, sandbox: Sandbox, address: str, also_by_hand: bool
) -> None:
    contact_id = uuid7()
    await victim.driver.verify_domain()
    await victim.driver.send(contact_id, recipient=address)
    await victim.driver.reach_states({"sent": 1})
    if also_by_hand:
        await victim.list_by_hand(address, "MANUAL")
    await victim.hear_of_bounce(address, contact_id)
    await attacker.hear_of_bounce(address)
    await victim.hear(ContactDeleted(contact_id=contact_id), version=2)
    await attacker.release(address)
    await told_ses(attacker)
    assert address in listed(sandbox)
    await victim.release(address)
    await told_ses(victim)
    assert address not in listed(sandbox)


async def test_an_entry_by_hand_of_a_deleted_contact_is_no_report(
    attacker: Tenant, victim: Tenant, sandbox: Sandbox, address: str
) -> None:
    contact_id = uuid7()
    await attacker.driver.verify_domain()
    await attacker.driver.send(contact_id, recipient=address)
    await attacker.driver.reach_states({"sent": 1})
    await attacker.list_by_hand(address, "BOUNCE")
    await attacker.hear(ContactDeleted(contact_id=contact_id), version=2)
    sandbox.ses.put_suppressed_destination(EmailAddress=address, Reason="BOUNCE")  # as somebody else's doing
    await attacker.release(address)
    await told_ses(attacker)
    assert address in listed(sandbox)


async def test_a_release_that_crosses_a_report_leaves_the_address_listed(
    attacker: Tenant, victim: Tenant, sandbox: Sandbox, address: str
) -> None:
    await victim.hear_of_bounce(address)
    queued = "insert into account_telling (address) values ($1) on conflict (address) do update set reason = null"
    await attacker.driver.runtime.pool.execute(queued, address)  # decided before the report, committed after it
    await told_ses(attacker)
    assert address in listed(sandbox)


async def test_a_template_of_another_project_is_not_found_beside_a_request_of_its_owner(
    attacker: Tenant, victim: Tenant
) -> None:
    template_id = await victim.driver.template()
    order = CheckOrder(template_id=template_id)
    async with victim.driver.runtime.pool.acquire() as conn:
        references = await look_up(conn, [(victim.project, order), (attacker.project, order)])
    assert references.content(victim.project, order)
    with pytest.raises(Rejected, match="was not found"):
        references.content(attacker.project, order)
