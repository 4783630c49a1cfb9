"""Drives a delivery service in tests: sends it what other services would, and shows what it did."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from libs.runtime.clock import now, uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import announce, eventually, facts, tell
from libs.schemas.base import Data
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import CampaignSendingStarted
from libs.schemas.campaigns.templates import TemplateCreated
from libs.schemas.contacts.contacts import AudienceMember, AudiencePageResolved, ContactCreated, ContactUnsubscribed
from libs.schemas.delivery.content import Content, Kind
from libs.schemas.delivery.domains import AddDomain, DomainView
from libs.schemas.delivery.emails import EmailView, GetEmail, QueuedEmail, SendEmail
from libs.schemas.delivery.sending import GetLedger, Ledger
from libs.schemas.feedback.mails import EmailConfirmed

AGE = "update email set due_at = clock_timestamp() - interval '1 second' where project = $1 and state = any($2::text[])"
STATES = "select state, count(*) as mails from email where project = $1 group by state"
ARRIVED = "select count(*) from recipient where project = $1 and contact_id = any($2::uuid[])"


def content(kind: Kind = "MARKETING", subject: str = "Hi {{ name ?? friend }}", domain: str = "example.com") -> Content:
    return Content(subject=subject, body="<p>Dear {{ name }}</p>", from_email=f"news@{domain}", kind=kind)


class DeliveryDriver:
    """One project at a running service."""

    def __init__(self, runtime: Runtime, project: UUID) -> None:
        self.runtime = runtime
        self.project = project
        self.client = runtime.client

    # --- input -------------------------------------------------------------------------------------------------------

    async def verify_domain(self, domain: str = "example.com") -> DomainView:
        return await tell(
            self.client, self.project, AddDomain(domain_id=uuid7(), domain=domain, verified=True), DomainView
        )

    async def contacts(self, count: int, subscribed: bool = True, data: Data | None = None) -> list[UUID]:
        """Create contacts and wait until they have arrived."""
        ids = [uuid7() for _ in range(count)]
        for contact_id in ids:
            created = ContactCreated(
                contact_id=contact_id, email=address(contact_id), subscribed=subscribed, data=data or {"name": "Ann"}
            )
            await announce(self.client, self.project, created)
        await self._arrive(ids)
        return ids

    async def unsubscribe(self, contact_id: UUID) -> None:
        gone = ContactUnsubscribed(contact_id=contact_id, email=address(contact_id), reason="link")
        await self.settled(await announce(self.client, self.project, gone, version=2))

    async def template(self, template: Content | None = None) -> UUID:
        await self.verify_domain()
        template_id = uuid7()
        created = TemplateCreated(template_id=template_id, name="T", content=template or content())
        await announce(self.client, self.project, created)
        return template_id

    async def start_campaign(self, body: Content | None = None, **pace: Any) -> UUID:
        campaign_id = uuid7()
        await self.begin_sending(campaign_id, body, **pace)
        return campaign_id

    async def begin_sending(self, campaign_id: UUID, body: Content | None = None, **pace: Any) -> None:
        """Freeze the content of a campaign, whose pages may have arrived already."""
        if body is None or body.from_email.endswith("@example.com"):
            await self.verify_domain()
        started = CampaignSendingStarted(
            campaign_id=campaign_id, content=body or content(), audience=Audience(audience_type="ALL"), **pace
        )
        await announce(self.client, self.project, started)

    async def page(self, campaign_id: UUID, contact_ids: Sequence[UUID], page: int = 1) -> UUID:
        members = [AudienceMember(contact_id=contact_id, email=address(contact_id)) for contact_id in contact_ids]
        resolved = AudiencePageResolved(campaign_id=campaign_id, page=page, members=members)
        return await announce(self.client, self.project, resolved, version=page)

    async def campaign(self, contact_ids: Sequence[UUID], body: Content | None = None) -> UUID:
        campaign_id = await self.start_campaign(body)
        await self.page(campaign_id, contact_ids)
        return campaign_id

    async def send(self, contact_id: UUID | None = None, **changes: Any) -> QueuedEmail:
        contact_id = contact_id or uuid7()
        usual: dict[str, Any] = {
            "email_id": uuid7(),
            "contact_id": contact_id,
            "recipient": address(contact_id),
            "subscribed": True,
            "content": content("TRANSACTIONAL"),
        }
        return await tell(self.client, self.project, SendEmail(**usual | changes), QueuedEmail)

    async def confirm(self, email_id: UUID, message_id: str, at: datetime | None = None) -> None:
        """Announce what feedback says after SES confirmed the mail."""
        confirmed = EmailConfirmed(email_id=email_id, contact_id=uuid4(), message_id=message_id, at=at or now())
        await self.settled(await announce(self.client, self.project, confirmed))

    async def settle_all(self) -> None:
        """Prove every mail sent, so that none is resent while another test runs."""
        for email_id in await self.ids():
            await self.confirm(email_id, f"m-{email_id}")

    # --- results -----------------------------------------------------------------------------------------------------

    async def settled(self, event_id: UUID) -> None:
        """Wait until the event is handled."""
        query = "select count(*) from inbox where consumer = 'delivery-events' and message_id = $1"

        async def handled() -> bool:
            return bool(await self.runtime.pool.fetchval(query, event_id))

        await eventually(handled)

    async def email(self, email_id: UUID) -> EmailView:
        return await ask(self.client, self.project, GetEmail(email_id=email_id), EmailView)

    async def ledger(self, campaign_id: UUID | None = None) -> Ledger:
        return await ask(self.client, self.project, GetLedger(campaign_id=campaign_id), Ledger)

    async def states(self) -> dict[str, int]:
        return {row["state"]: row["mails"] for row in await self.runtime.pool.fetch(STATES, self.project)}

    async def reach_states(self, states: dict[str, int], within: float = 30.0) -> None:
        """Wait until the project's mails are in these states."""

        async def so_far() -> bool:
            return await self.states() == states

        try:
            await eventually(so_far, within)
        except AssertionError:
            raise AssertionError(f"the mails are {await self.states()}, not {states}") from None

    async def wait_until_some_sent(self) -> None:
        """Wait until some of the project's mails are sent."""

        async def some_sent() -> bool:
            return "sent" in await self.states()

        await eventually(some_sent)

    async def ids(self) -> list[UUID]:
        rows = await self.runtime.pool.fetch("select id from email where project = $1", self.project)
        return [row["id"] for row in rows]

    async def email_event_types(self) -> list[str]:
        """Return the types of the events about mails in the project's log, in order."""
        return [kind for kind in await self.event_types() if kind.startswith("email.")]

    async def event_types(self) -> list[str]:
        return [kind for kind, _ in await facts(self.runtime, self.project)]

    async def let_time_pass(self, *states: str) -> None:
        """End the lease or the grace period of the mails in these states."""
        await self.runtime.pool.execute(AGE, self.project, list(states))

    async def _arrive(self, ids: Sequence[UUID]) -> None:
        async def arrived() -> bool:
            return bool(await self.runtime.pool.fetchval(ARRIVED, self.project, ids) == len(ids))

        await eventually(arrived)


def address(contact_id: UUID) -> str:
    return f"{contact_id.hex}@example.net"
