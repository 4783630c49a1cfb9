"""Whatever a mailbox provider writes about a contact, and wherever it is copied to, goes with the contact.

Every text in every kind of notification names the contact's address. When the contact is deleted, no table that keeps
what follows from them has it. Raw notifications are kept as they came, for 90 days (ADR 7).
"""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from libs.runtime.clock import now
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.encryption import LoggedEvent, decrypt
from libs.runtime.messaging.bus import ask
from libs.runtime.messaging.consumer import ERROR, FailedMessage, dead_letter
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import announce, eventually, running
from libs.schemas.base import Event
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.feedback.mails import EmailClicked, EmailFeedback, GetEmailFeedback
from libs.schemas.feedback.notifications import RecordNotification
from services.campaigns.app import build as build_campaigns
from services.campaigns.results.read_models import campaign_click
from services.feedback.app import build as build_feedback
from services.gateway.sns import ingest_message
from tests.conftest import Stack
from tests.notifications import PARTS, SentMail, some_mail

TOPIC = "arn:aws:sns:eu-west-1:123456789012:godwit-events"
TOKEN = "A" * 87
KEPT_AS_IT_CAME = {("feedback", "notification")}
MEANT_BY_SES = ("bounceType", "arrivalDate", "expirationTime", "timestamp")
"""Members that decide how a notification is understood."""


class Services:
    """The services that fold what SES reports, and what their tables hold."""

    def __init__(self, stack: Stack, runtimes: dict[str, Runtime]) -> None:
        self.client = stack.client
        self._admin_url = stack.admin_url
        self._runtimes = runtimes
        self.feedback = runtimes["feedback"]

    async def report(self, mail: SentMail, kind: str, **changes: Any) -> None:
        """Have SES report something about the mail, and wait until it has been handled."""
        written = json.dumps(mail.published(kind, **changes))
        recorded = RecordNotification(notification_id=uuid4(), topic_arn=TOPIC, sent_at=now(), message=written)
        message = ingest_message([recorded])
        await self.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
        await self.handled("feedback", recorded.notification_id)

    async def announce(self, project: UUID, event: Event) -> None:
        event_id = await announce(self.client, project, event, version=9)
        for service in self._runtimes:
            await self.handled(service, event_id)

    async def handled(self, service: str, message_id: UUID) -> None:
        async def is_in_inbox() -> bool:
            sought = "select exists (select from inbox where message_id = $1)"
            return bool(await self._runtimes[service].pool.fetchval(sought, message_id))

        await eventually(is_in_inbox)

    async def counted(self, mail: SentMail, clicks: int) -> None:
        """Wait until campaigns has counted the clicks on the mail."""

        async def all_counted() -> bool:
            query = "select coalesce(sum(clicks), 0) from campaign_click where project = $1"
            return bool(await self._runtimes["campaigns"].pool.fetchval(query, mail.project) == clicks)

        await eventually(all_counted)

    async def links(self, mail: SentMail) -> dict[str, int]:
        """Return how often each link of the mail's campaign was clicked, as its results show it."""
        async with self._runtimes["campaigns"].pool.acquire() as conn:
            found = await campaign_click.links(conn, mail.project, mail.campaign_id or uuid4())
        return {each.link: each.clicks for each in found}

    async def found(self, sought: str) -> list[tuple[str, str]]:
        """Return every table of the services in which a row contains the text, in whatever column."""
        conn = await asyncpg.connect(self._admin_url)
        try:
            tables = await conn.fetch(
                "select schemaname, tablename from pg_tables where schemaname = any($1)", list(self._runtimes)
            )
            names = [(row["schemaname"], row["tablename"]) for row in tables]
            query = 'select exists (select from "{}"."{}" as row where row::text like $1)'
            return [name for name in names if await conn.fetchval(query.format(*name), f"%{sought}%")]
        finally:
            await conn.close()


@pytest.fixture(scope="module")
async def services(stack: Stack) -> AsyncIterator[Services]:
    async with AsyncExitStack() as parts:
        runtimes = {}
        for name, build in (("feedback", build_feedback), ("campaigns", build_campaigns)):
            config = stack.settings(name)
            runtimes[name] = await parts.enter_async_context(running(build(config), config))
            await stack.until_caught_up(name)
        yield Services(stack, runtimes)


def naming(value: Any, address: str) -> Any:
    """Return a part of a notification in which every text names the address."""
    match value:
        case dict():
            return {key: each if key in MEANT_BY_SES else naming(each, address) for key, each in value.items()}
        case list():
            return [naming(each, address) for each in value]
        case str() if value.startswith("http"):
            return f"{value}&to={quote(address)}&m={address}#{address}"
        case str():
            return address if "@" in value else f"{value} <{address}>"
        case _:
            return value


async def test_no_table_has_a_deleted_contacts_address(services: Services, project: UUID) -> None:
    address = f"canary{uuid4().hex[:8]}@example.com"
    mail = msgspec.structs.replace(some_mail(project), campaign_id=uuid4())
    for kind, part in PARTS.items():
        await services.report(mail, kind, **naming(part, address))
    await services.counted(mail, clicks=1)
    assert await services.links(mail) == {"https://example.com/offers?id=7&to=*&m=*#*": 1}
    await services.announce(project, ContactDeleted(contact_id=mail.contact_id))
    assert set(await services.found(address.partition("@")[0])) <= KEPT_AS_IT_CAME


async def test_the_links_of_deleted_contacts_still_count(services: Services, project: UUID) -> None:
    campaign = uuid4()
    mails = [msgspec.structs.replace(some_mail(project), campaign_id=campaign) for _ in range(2)]
    for n, mail in enumerate((*mails, *mails)):
        await services.report(mail, "Click", after=60 + n, link=f"https://example.com/{n % 2}/ada")
        await services.report(mail, "Click", after=90 + n, link="https://example.com/ada")
    await services.counted(mails[0], clicks=8)
    for _ in range(2):  # the second time there is nothing left to forget
        await services.announce(project, ContactDeleted(contact_id=mails[0].contact_id))
    assert await services.links(mails[0]) == {"": 4, "https://example.com/1/ada": 2, "https://example.com/ada": 2}
    for mail, shown in zip(mails, ([""], ["https://example.com/1/ada", "https://example.com/ada"]), strict=True):
        known = await ask(services.client, project, GetEmailFeedback(email_id=mail.email_id), EmailFeedback)
        assert sorted(each.link for each in known.links) == shown
        assert sum(each.clicks for each in known.links) == known.clicks == 4


async def test_no_table_has_the_token_of_an_unsubscribe_link(services: Services, project: UUID) -> None:
    mail = msgspec.structs.replace(some_mail(project), campaign_id=uuid4())
    await services.report(mail, "Click", link=f"https://mail.example.com/unsubscribe/{TOKEN}")
    await services.counted(mail, clicks=1)
    assert await services.found(TOKEN) == []
    assert ("campaigns", "campaign_click") in await services.found("https://mail.example.com/unsubscribe/*")


async def test_a_click_from_before_links_were_encrypted_can_still_be_read(services: Services, project: UUID) -> None:
    clicked = EmailClicked(
        email_id=uuid4(), contact_id=uuid4(), message_id="m", at=now(), first=True, link="https://example.com/old"
    )
    [body] = await decrypt(services.feedback.pool, [LoggedEvent(uuid4(), project, encode(clicked))])
    assert msgspec.json.decode(body, type=EmailClicked) == clicked


async def test_the_error_of_a_dead_letter_has_no_address(stack: Stack) -> None:
    dead = await stack.client.subscribe("dead.security")
    refused = ValueError("Key (project, email)=(1, ada@example.com) already exists")
    await dead_letter(stack.client, FailedMessage("security", "cmd.x", 8, str(uuid4())), {}, b"{}", refused)
    headers = (await dead.next_msg(timeout=10)).headers or {}
    assert headers[ERROR] == "ValueError: Key (project, email)=(1, *) already exists"


def test_no_line_of_the_log_has_an_address() -> None:
    code = (
        "import structlog; from libs.runtime.process import logging, settings\n"
        "logging.configure(settings.Settings(database_url=''), 'feedback')\n"
        "try: raise ValueError('no ada@example.com')\n"
        "except ValueError as e: structlog.get_logger().error('x.failed', error=repr(e), exc_info=e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "x.failed" in done.stdout
    assert "ada@example.com" not in done.stdout
