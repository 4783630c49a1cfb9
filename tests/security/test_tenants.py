"""Two projects on one installation: what one of them does to the SES account never reaches the other.

The servers are this module's own, because a fake delivery service answers on those of the package.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import nats
import pytest

from deploy.provisioning.prepare import prepare_services
from deploy.services import declared_services
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import announce, eventually, running, tell
from libs.schemas.base import Event
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.delivery.domains import DomainAdded, DomainVerified, DomainView, GetDomain, VerifyDomain
from libs.schemas.delivery.emails import CheckOrder
from libs.schemas.delivery.suppressions import (
    ListedReason,
    ReleaseAddress,
    SuppressAddresses,
    SuppressedAddresses,
    SuppressedAddressView,
)
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from services.campaigns.app import build as build_campaigns
from services.delivery.intake.references import look_up
from services.gateway.accounts import keys
from tests.backends import role_passwords
from tests.backends import test_backend as backend_for_tests
from tests.conftest import Stack
from tests.service.delivery.conftest import config, delivery, dns, feedback, healthy, sandbox
from tests.service.delivery.driver import DeliveryDriver
from tests.service.delivery.sandbox import Sandbox
from tests.service.gateway.conftest import gateway_for, issue_key, url_of
from tests.service.gateway.nameserver import Nameserver

__all__ = ["config", "delivery", "dns", "feedback", "healthy", "sandbox"]


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


# --- domains: over HTTP, as a tenant sees them -----------------------------------------------------------------------


class DomainTenant:
    """A project that talks HTTP to a gateway."""

    def __init__(self, client: httpx.AsyncClient, nameserver: Nameserver) -> None:
        self.client = client
        self.nameserver = nameserver

    async def add(self, domain: str) -> dict[str, Any]:
        response = await self.client.post("/domains", json={"domain": domain})
        assert response.status_code == 201, response.text
        added: dict[str, Any] = response.json()
        return added

    async def verify(self, domain_id: str) -> dict[str, Any]:
        checked: dict[str, Any] = (await self.client.get(f"/domains/{domain_id}/verify")).raise_for_status().json()
        return checked

    def publish_proof(self, added: dict[str, Any]) -> None:
        [record] = [record for record in added["records"] if record["purpose"] == "OWNERSHIP"]
        self.nameserver.published.setdefault(record["name"], set()).add(record["value"])

    async def own(self, domain: str, sandbox: Sandbox) -> str:
        """Add the domain, publish all records, and have it verified."""
        added = await self.add(domain)
        sandbox.verify_identity(domain)
        self.publish_proof(added)
        assert (await self.verify(added["id"]))["verified"]
        return str(added["id"])

    async def all_answers(self, domain: str) -> list[bytes]:
        """Return what the API says of a domain that this project adds, without what is random or a time."""
        before = await self.send(domain)
        added = await self.client.post("/domains", json={"domain": domain})
        path = f"/domains/{added.json()['id']}"
        calls = [added, await self.client.get(path), await self.client.get(f"{path}/verify")]
        calls += [await self.client.get("/domains"), await self.client.post("/domains", json={"domain": domain})]
        after = await self.send(domain)
        removed = await self.client.delete(path)
        return [_comparable(response, domain) for response in (before, *calls, after, removed)]

    async def send(self, domain: str) -> httpx.Response:
        mail = {"to": "ada@example.net", "subject": "Hi", "body": "Hi", "from": f"us@{domain}"}
        return await self.client.post("/v1/send", json=mail)


def _comparable(response: httpx.Response, domain: str) -> bytes:
    """Return the answer with its status; ids, times and tokens are replaced by a word, and so is the domain."""
    text = response.text.replace(domain, "the-domain")
    for form in (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"\d{4}-\d\d-\d\dT[0-9:.]+Z", r"\b[0-9a-z]{32,40}\b"):
        text = re.sub(form, "<random>", text)
    return f"{response.status_code} {text}".encode()


@pytest.fixture(scope="module")
async def campaigns(stack: Stack) -> AsyncIterator[Runtime]:
    """Run campaigns, which the gateway asks before it removes a domain."""
    config = stack.settings("campaigns")
    async with running(build_campaigns(config), config) as runtime:
        yield runtime


@pytest.fixture(scope="module")
async def gateway(stack: Stack, delivery: Runtime, campaigns: Runtime) -> AsyncIterator[Runtime]:
    async with gateway_for(stack, keys.generate("secret"), keys.generate("public")) as running_gateway:
        yield running_gateway


@pytest.fixture
async def tenants(
    gateway: Runtime, sandbox: Sandbox, dns: tuple[Nameserver, str]
) -> AsyncIterator[Sequence[DomainTenant]]:
    """Three projects."""
    sandbox.account(verifyNewIdentities=False)
    async with AsyncExitStack() as clients:
        tenants = []
        for _ in range(3):
            headers = {"Authorization": f"Bearer {await issue_key(gateway)}"}
            client = httpx.AsyncClient(base_url=url_of(gateway), headers=headers, timeout=30)
            tenants.append(DomainTenant(await clients.enter_async_context(client), dns[0]))
        yield tenants


def new_domain() -> str:
    return f"{uuid4().hex[:20]}.example"


async def test_no_answer_tells_whether_another_project_has_a_domain(
    tenants: Sequence[DomainTenant], sandbox: Sandbox
) -> None:
    owner, other, attacker = tenants
    owned, claimed, free = new_domain(), new_domain(), new_domain()
    await owner.own(owned, sandbox)
    await other.add(claimed)
    answers = [await attacker.all_answers(domain) for domain in (free, owned, claimed)]
    assert answers[0] == answers[1] == answers[2]
    assert [answer[:3] for answer in answers[0]] == [b"403", b"201", b"200", b"200", b"200", b"409", b"403", b"200"]


async def test_a_domain_whose_word_the_operator_gave_looks_free_to_others(
    tenants: Sequence[DomainTenant], victim: Tenant
) -> None:
    vouched, free = new_domain(), new_domain()
    await victim.driver.verify_domain(vouched)
    assert await tenants[0].all_answers(vouched) == await tenants[0].all_answers(free)


async def test_an_unproven_claim_blocks_nobody(tenants: Sequence[DomainTenant], sandbox: Sandbox) -> None:
    attacker, owner, _ = tenants
    domain = new_domain()
    squatted = await attacker.add(domain)
    await owner.own(domain, sandbox)
    checked = await attacker.verify(squatted["id"])
    assert (checked["verified"], checked["status"]) == (False, "Pending")
    assert (await attacker.send(domain)).status_code == 403
    assert (await attacker.client.delete(f"/domains/{squatted['id']}")).status_code == 200
    [kept] = (await owner.client.get("/domains")).json()
    assert (await owner.verify(kept["id"]))["verified"]


async def test_the_records_of_others_prove_nothing(tenants: Sequence[DomainTenant], sandbox: Sandbox) -> None:
    owner, attacker, _ = tenants
    domain = new_domain()
    theirs, mine = await attacker.add(domain), await owner.add(domain)  # the older claim is the attacker's
    sandbox.verify_identity(domain)  # as the owner's DKIM records do, which are the same for both
    assert not (await attacker.verify(theirs["id"]))["verified"]
    owner.publish_proof(mine)
    assert not (await attacker.verify(theirs["id"]))["verified"]
    assert (await owner.verify(mine["id"]))["verified"]


async def test_the_owner_of_the_dns_learns_who_has_to_remove_the_domain(
    tenants: Sequence[DomainTenant], sandbox: Sandbox
) -> None:
    first, second, _ = tenants
    domain = new_domain()
    domain_id = await first.own(domain, sandbox)
    added = await second.add(domain)
    second.publish_proof(added)
    checked = await second.verify(added["id"])
    assert not checked["verified"] and checked["problem"].startswith("Another project")
    await first.client.delete(f"/domains/{domain_id}")
    assert (await second.verify(added["id"]))["verified"]


async def test_a_domain_that_was_verified_before_there_were_proofs_stays_verified(
    delivery: Runtime, victim: Tenant, sandbox: Sandbox
) -> None:
    sandbox.account(verifyNewIdentities=True)
    domain, domain_id = new_domain(), uuid7()
    facts = [
        DomainAdded(domain_id=domain_id, domain=domain, vouched=False),
        DomainVerified(domain_id=domain_id, domain=domain, vouched=False),
    ]
    async with delivery.unit() as unit:
        unit.append(facts, Origin(project=victim.project))
    await tell(victim.client, victim.project, VerifyDomain(domain_id=domain_id), DomainView)

    async def checked() -> DomainView | None:
        view = await ask(victim.client, victim.project, GetDomain(domain_id=domain_id), DomainView)
        return view if view.checked_at else None

    view = await eventually(checked, 20)
    assert (view.verified, view.status, view.problem) == (True, "SUCCESS", None)
