"""Kill a service at each commit of a campaign's audience pages: every recipient still gets the mail exactly once.

The other services keep running. No mail is sent before the last kill: `delivery.test_crashes` covers senders that die.
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import eventually, running, tell
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import CampaignView, CreateCampaign, SendCampaign
from libs.schemas.campaigns.results import CampaignStats, GetCampaignStats
from libs.schemas.contacts.contacts import ContactCreated
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.domains import AddDomain, DomainView
from services.campaigns.app import build as campaigns
from services.contacts.app import build as contacts
from services.delivery.app import build as delivery
from services.feedback.app import build as feedback
from tests.conftest import Stack
from tests.service.delivery import sandbox as sandboxes
from tests.service.delivery.sandbox import Sandbox

pytestmark = pytest.mark.slow

KILLED = 137
PAGE, PAGES = 5, 3
RECIPIENTS = PAGE * PAGES - 2
ACK_WAIT = 1.0
BUILDS: Mapping[str, Callable[[Settings], Service]] = {
    "contacts": contacts,
    "campaigns": campaigns,
    "delivery": delivery,
    "feedback": feedback,
}
# The contacts service resolves one page per transaction: each of its processes commits one page and dies in the next.
# The other services take all waiting pages in one transaction.
KILLS = [
    ("contacts", ["mid_fanout", *["mid_fanout:2"] * (PAGES - 1), "after_publish_before_mark"]),
    ("delivery", ["before_commit", "after_commit_before_reply", "after_publish_before_mark"]),
    ("campaigns", ["before_commit", "after_commit_before_reply", "after_effects_before_ack:2"]),
]

DUE = "update timers set due_at = clock_timestamp()"
HOLD = "update sending set paused_at = clock_timestamp()"
RELEASE = "update sending set paused_at = null"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    with sandboxes.running(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture(scope="module")
async def short_ack_wait(stack: Stack) -> AsyncIterator[None]:
    """Redeliver the messages of a dead process soon."""
    js = stack.client.jetstream()
    before = {name: (await js.consumer_info("EVENTS", f"{name}-events")).config for name in BUILDS}
    for config in before.values():
        await js.add_consumer("EVENTS", replace(config, ack_wait=ACK_WAIT))
    yield
    for config in before.values():
        await js.add_consumer("EVENTS", config)


@pytest.mark.parametrize(("victim", "deaths"), KILLS)
async def test_every_recipient_gets_one_mail_though_a_service_dies_at_every_page(
    stack: Stack, sandbox: Sandbox, short_ack_wait: None, project: UUID, victim: str, deaths: list[str]
) -> None:
    async with Services(stack, sandbox, project) as services:
        people = await services.prepare()
        campaign_id = await services.send(after_stopping=victim)
        for death in deaths:
            assert await asyncio.to_thread(die_at, victim, death, services.config(victim)) == KILLED, death
            await services.make_timers_due(victim)
        await services.start(victim)
        await services.release()
        stats = await services.until_sent(campaign_id)
        assert (stats.total_recipients, stats.resolved, stats.sent_count) == (RECIPIENTS,) * 3
        assert Counter(mail["to"][0] for mail in sandbox.of_project(project)) == Counter(people)


class Services:
    """All services of a campaign. Each of them can be stopped and started again."""

    def __init__(self, stack: Stack, sandbox: Sandbox, project: UUID) -> None:
        self.stack = stack
        self.sandbox = sandbox
        self.project = project
        self._running: dict[str, tuple[AsyncExitStack, Runtime]] = {}

    async def __aenter__(self) -> "Services":
        for name in BUILDS:
            await self.start(name)
        await self._database(HOLD, "delivery")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._database(RELEASE, "delivery")
        for name in list(self._running):
            await self.stop(name)

    def config(self, name: str) -> Settings:
        return self.stack.settings(name, aws_endpoint_url=self.sandbox.url, audience_page=PAGE)

    async def start(self, name: str) -> None:
        config, held = self.config(name), AsyncExitStack()
        self._running[name] = held, await held.enter_async_context(running(BUILDS[name](config), config))

    async def stop(self, name: str) -> None:
        held, _ = self._running.pop(name)
        await held.aclose()

    async def prepare(self) -> list[str]:
        """Add a verified domain and contacts. Return the addresses of the contacts."""
        client, project = self.stack.client, self.project
        await tell(client, project, AddDomain(domain_id=uuid7(), domain="example.com", verified=True), DomainView)
        created = [
            ContactCreated(contact_id=uuid7(), email=f"{project.hex}.{n}@example.net", subscribed=True, data={})
            for n in range(RECIPIENTS)
        ]
        async with self._running["contacts"][1].unit() as unit:
            unit.append(created, Origin(project=project))
        await eventually(self._domain_is_known)
        return [each.email for each in created]

    async def send(self, after_stopping: str) -> UUID:
        """Send a campaign, with the victim stopped before it receives any page of the audience."""
        create = CreateCampaign(
            campaign_id=uuid7(),
            name="News",
            content=Content(subject="News", body="Hello", from_email="us@example.com"),
            audience=Audience(audience_type="ALL"),
        )
        client, project = self.stack.client, self.project
        await tell(client, project, create, CampaignView)
        await self.stop("contacts")
        await tell(client, project, SendCampaign(campaign_id=create.campaign_id), CampaignView)
        if after_stopping != "contacts":
            await self.stop(after_stopping)
            await self.start("contacts")
            await eventually(self._audience_is_published)
        return create.campaign_id

    async def make_timers_due(self, name: str) -> None:
        """Make all timers due, as if the leases of the dead process had expired."""
        await self._database(DUE, name)

    async def release(self) -> None:
        await self._database(RELEASE, "delivery")

    async def until_sent(self, campaign_id: UUID) -> CampaignStats:
        async def sent() -> CampaignStats | None:
            stats = await ask(self.stack.client, self.project, GetCampaignStats(campaign_id=campaign_id), CampaignStats)
            return stats if stats.status == "SENT" else None

        return await eventually(sent)

    async def _domain_is_known(self) -> bool:
        pool = self._running["campaigns"][1].pool
        return bool(await pool.fetchval("select true from sender_domain where project = $1", self.project))

    async def _audience_is_published(self) -> bool:
        query = "select count(*) from log where project = $1 and stream like 'audience-%'"
        return bool(await self._running["contacts"][1].pool.fetchval(query, self.project) == PAGES + 2)

    async def _database(self, statement: str, service: str) -> None:
        conn = await asyncpg.connect(self.config(service).database_url)
        try:
            await conn.execute(statement)
        finally:
            await conn.close()


def die_at(victim: str, crash: str, config: Settings) -> int:
    """Run the service in a process of its own until it dies at this point. Return its exit code."""
    environment = os.environ | {
        "DATABASE_URL": config.database_url,
        "NATS_URL": config.nats_url,
        "AWS_ENDPOINT_URL": config.aws_endpoint_url or "",
        "GODWIT_AUDIENCE_PAGE": str(config.audience_page),
        "GODWIT_RESTORE_GUARD": "false",
        "GODWIT_CRASH_AT": crash,
        "GODWIT_LOG_LEVEL": "error",
    }
    return subprocess.run([sys.executable, "-m", f"services.{victim}"], env=environment, timeout=60).returncode
