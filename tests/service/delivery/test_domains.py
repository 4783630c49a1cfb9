"""Sending domains: registered with SES, verified, lost and removed, and what that means for mail."""

from collections.abc import Callable
from uuid import UUID

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.testing import eventually, tell
from libs.schemas.delivery.domains import AddDomain, DomainView, GetDomain, RemoveDomain, VerifyDomain
from tests.service.delivery.driver import DeliveryDriver, content
from tests.service.delivery.sandbox import Sandbox
from tests.service.gateway.nameserver import Nameserver


class Owner:
    """Drives a project with one domain."""

    def __init__(self, driver: DeliveryDriver, sandbox: Sandbox, nameserver: Nameserver, name: str) -> None:
        self.driver = driver
        self.sandbox = sandbox
        self.nameserver = nameserver
        self.name = name
        self.id = uuid7()

    async def add(self) -> DomainView:
        """Add the domain. Return its view once SES knows it."""
        await tell(self.driver.client, self.driver.project, AddDomain(domain_id=self.id, domain=self.name), DomainView)
        return await self.shown_as(lambda view: bool(view.tokens))

    async def get(self) -> DomainView:
        return await ask(self.driver.client, self.driver.project, GetDomain(domain_id=self.id), DomainView)

    async def check(self) -> None:
        await tell(self.driver.client, self.driver.project, VerifyDomain(domain_id=self.id), DomainView)

    async def remove(self) -> None:
        await tell(self.driver.client, self.driver.project, RemoveDomain(domain_id=self.id), DomainView)

    async def shown_as(self, expected: Callable[[DomainView], bool]) -> DomainView:
        async def so_far() -> DomainView | None:
            view = await self.get()
            return view if expected(view) else None

        return await eventually(so_far, 20)

    async def publish_records(self, published: bool = True) -> DomainView:
        """Publish or remove the DNS records as the owner would, then have the domain checked."""
        self.sandbox.verify_identity(self.name, published)
        await self.publish_proof()
        await self.check()
        return await self.shown_as(lambda view: view.verified == published)

    async def publish_proof(self) -> None:
        """Publish the record that shows whose domain it is."""
        [record] = [record for record in (await self.get()).records if record.purpose == "OWNERSHIP"]
        self.nameserver.published.setdefault(record.name, set()).add(record.value)

    def elsewhere(self) -> "Owner":
        """Return another project with the same domain."""
        return Owner(DeliveryDriver(self.driver.runtime, uuid7()), self.sandbox, self.nameserver, self.name)


@pytest.fixture
def owner(driver: DeliveryDriver, sandbox: Sandbox, dns: tuple[Nameserver, str]) -> Owner:
    sandbox.account(verifyNewIdentities=False)
    return Owner(driver, sandbox, dns[0], f"{driver.project.hex[:20]}.example")


async def test_an_added_domain_shows_the_records_that_ses_wants(owner: Owner) -> None:
    view = await owner.add()
    assert (view.verified, view.status, len(view.tokens)) == (False, "PENDING", 3)
    assert {record.purpose for record in view.records} == {"OWNERSHIP", "DKIM", "MAIL_FROM", "SPF", "DMARC"}
    assert f"bounces.{owner.name}" in {record.name for record in view.records}
    identity = owner.sandbox.ses.get_email_identity(EmailIdentity=owner.name)
    assert identity["DkimAttributes"]["Tokens"] == view.tokens
    assert identity["MailFromAttributes"]["MailFromDomain"] == f"bounces.{owner.name}"


async def test_a_domain_may_send_from_its_verification_until_its_loss(owner: Owner) -> None:
    mail = content("TRANSACTIONAL", domain=owner.name)
    await owner.add()
    with pytest.raises(Rejected, match="is not verified"):
        await owner.driver.send(content=mail)
    assert (await owner.publish_records()).status == "SUCCESS"
    await owner.driver.send(content=mail)
    await owner.driver.reach_states({"sent": 1})
    await owner.publish_records(False)
    with pytest.raises(Rejected, match="is not verified"):
        await owner.driver.send(content=mail)
    types = await owner.driver.event_types()
    assert [kind for kind in types if kind.startswith("domain.")] == [
        "domain.added",
        "domain.identified",
        "domain.verified",
        "domain.lost",
    ]


async def test_queued_mail_fails_with_a_reason_when_its_domain_is_lost(owner: Owner) -> None:
    await owner.add()
    campaign_id = await owner.driver.start_campaign(content(domain=owner.name))
    await owner.driver.page(campaign_id, await owner.driver.contacts(1))
    await owner.driver.reach_states({"failed": 1})
    (email_id,) = await owner.driver.ids()
    assert ((await owner.driver.email(email_id)).reason or "").startswith("DOMAIN_NOT_VERIFIED")
    assert owner.sandbox.of_project(owner.driver.project) == []


async def test_the_periodic_check_notices_the_loss_of_a_domain(owner: Owner) -> None:
    await owner.add()
    await owner.publish_records()
    owner.sandbox.verify_identity(owner.name, False)
    due = "update identity set due_at = now() where domain = $1"  # as if five minutes had passed
    await owner.driver.runtime.pool.execute(due, owner.name)
    assert not (await owner.shown_as(lambda view: not view.verified)).verified


async def test_a_domain_of_another_project_does_not_exist(owner: Owner) -> None:
    await owner.add()
    other = owner.elsewhere()
    with pytest.raises(Rejected) as rejected:
        await ask(other.driver.client, other.driver.project, GetDomain(domain_id=owner.id), DomainView)
    assert rejected.value.code == "DOMAIN_NOT_FOUND"


async def test_the_next_owner_of_a_removed_domain_must_prove_it_again(owner: Owner, sandbox: Sandbox) -> None:
    await owner.add()
    await owner.publish_records()
    await owner.remove()
    next_owner = owner.elsewhere()
    await next_owner.add()
    sandbox.verify_identity(owner.name)  # as if the first owner's records were still there
    await next_owner.check()
    view = await next_owner.shown_as(lambda view: view.problem is not None)
    assert (view.verified, view.status) == (False, "PENDING")
    assert (await next_owner.publish_records()).verified


async def test_what_ses_knew_before_is_not_deleted_with_the_last_claim(owner: Owner) -> None:
    owner.sandbox.ses.create_email_identity(EmailIdentity=owner.name)
    await owner.add()
    await owner.remove()

    async def forgotten() -> bool:
        query = "select count(*) from identity where domain = $1"
        return not await owner.driver.runtime.pool.fetchval(query, owner.name)

    await eventually(forgotten, 20)
    assert owner.sandbox.ses.get_email_identity(EmailIdentity=owner.name)


async def test_ses_forgets_a_domain_that_no_project_has(owner: Owner) -> None:
    await owner.add()
    await owner.remove()

    async def forgotten() -> bool:
        known = owner.sandbox.ses.list_email_identities(PageSize=1000)["EmailIdentities"]
        return owner.name not in {identity["IdentityName"] for identity in known}

    await eventually(forgotten, 20)


async def test_an_error_from_ses_is_shown_with_the_domain(owner: Owner) -> None:
    labels = ".".join(["w" * 26, "x" * 63, "y" * 63, "z" * 63])
    owner.name = f"{labels}.{owner.name}"  # valid, but too long to have a subdomain
    await tell(owner.driver.client, owner.driver.project, AddDomain(domain_id=owner.id, domain=owner.name), DomainView)
    view = await owner.shown_as(lambda view: view.checked_at is not None)
    assert (view.verified, view.problem) == (False, "The MAIL-FROM domain is too long.")


async def test_a_domain_that_the_operator_vouches_for_is_neither_registered_nor_checked(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    view = await driver.verify_domain(f"{driver.project.hex[:20]}.example")
    assert (view.verified, view.vouched, view.status) == (True, True, "SUCCESS")
    assert await _rounds(driver, view.id) == 0


async def _rounds(driver: DeliveryDriver, domain_id: UUID) -> int:
    query = "select count(*) from identity join domain using (domain) where domain.id = $1"
    count: int = await driver.runtime.pool.fetchval(query, domain_id)
    return count
