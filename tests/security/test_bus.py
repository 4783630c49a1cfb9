"""NATS lets in users with a password only, and each may do what its service needs and nothing else.

The servers here are those of the tests, as the embedded stack configures them, with every stream and consumer.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from deploy.embedded.backend import Backend
from deploy.embedded.nats import find_binary
from deploy.provisioning import permissions
from deploy.provisioning.streams import consumers_of
from deploy.services import SERVICES, declared_services
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.codec import encode, tag_of
from libs.runtime.eventstore.envelope import Envelope, Meta, command_headers, command_subject
from libs.runtime.messaging.bus import ask
from libs.runtime.messaging.dead_letters import DeadLetter, DeadLetters
from libs.runtime.messaging.reply_inbox import inbox_prefix
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually, running, tell
from libs.schemas.base import Event
from libs.schemas.campaigns.campaigns import CampaignSendingStarted
from libs.schemas.contacts.contacts import ContactView, GetContact, SaveContact, SavedContact
from libs.schemas.feedback.mails import EmailBounced
from services.contacts.app import build
from tests.conftest import Stack

PROJECT = UUID(int=1)
FOREIGN_PUBLISH = (
    f"evt.delivery.{PROJECT}.email.sent",
    f"cmd.delivery.{PROJECT}.send-email",
    f"cmd.contacts.{PROJECT}.save-contact",
    "cmd.contacts.redeliver",
    "qry.delivery.list-emails",
    "qry.feedback.find-confirmed",
    "qry.contacts.get-contact",
    "ingest.notification",
    "dead.delivery-commands",
    "_INBOX_delivery.x",
    "$JS.API.STREAM.INFO.EVENTS",
    "$JS.API.STREAM.PURGE.EVENTS",
    "$JS.API.STREAM.DELETE.EVENTS",
    "$JS.API.STREAM.UPDATE.EVENTS",
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.MSG.GET.EVENTS",
    "$JS.API.STREAM.MSG.DELETE.EVENTS",
    "$JS.API.DIRECT.GET.EVENTS",
    "$JS.API.DIRECT.GET.EVENTS.evt.delivery.>",
    "$JS.API.CONSUMER.CREATE.EVENTS.mine.evt.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.contacts-events",
    "$JS.API.CONSUMER.DELETE.EVENTS.delivery-events",
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.delivery-events",
    "$JS.API.CONSUMER.MSG.NEXT.COMMANDS.delivery-commands",
    "$JS.ACK.COMMANDS.delivery-commands.1.1.1.1.1",
)
"""What the user of contacts may not publish."""

FOREIGN_SUBSCRIBE = (
    ">",
    "evt.>",
    f"evt.delivery.{PROJECT}.>",
    "cmd.>",
    "cmd.contacts.>",
    "qry.delivery.>",
    "ingest.>",
    "dead.>",
    "_INBOX.>",
    "_INBOX_gateway.>",
    "_INBOX_operator.>",
    "$JS.EVENT.ADVISORY.>",
    "$JS.ACK.>",
)
"""What the user of contacts may not subscribe to."""


class Errors(list[str]):
    """What the server said to a client."""

    async def note(self, error: Exception) -> None:
        self.append(str(error).lower())

    def take(self) -> list[str]:
        taken = list(self)
        self.clear()
        return taken


@asynccontextmanager
async def connected(backend: Backend, user: str) -> AsyncIterator[tuple[Client, Errors]]:
    """Yield a connection of this user, with the errors that the server sends to it."""
    if not backend.bus_users:
        pytest.skip("these servers have no users: GODWIT_TEST_BACKEND=embedded")
    errors = Errors()
    client = await nats.connect(
        backend.nats_url_as(user), inbox_prefix=inbox_prefix(user), error_cb=errors.note, allow_reconnect=False
    )
    try:
        yield client, errors
    finally:
        await client.close()


async def is_refused(errors: Errors, right: str, use: Callable[[], Awaitable[object]]) -> bool:
    """Whether the server says that the right is missing."""

    async def refused() -> bool:
        await use()
        await asyncio.sleep(0.01)
        return any(f"permissions violation for {right}" in error for error in errors.take())

    return await eventually(refused, 5)


async def refuses_login(url: str) -> bool:
    try:
        client = await nats.connect(url, allow_reconnect=False, error_cb=Errors().note)
    except NatsError as refusal:
        return "Authorization Violation" in str(refusal)
    await client.close()
    return False


def with_login(url: str, login: str) -> str:
    return f"nats://{login}{url.rpartition('@')[2]}"


# --- who gets in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["", "contacts@", "contacts:@", "contacts:wrong@", "operator:wrong@", "nobody:x@"])
async def test_a_local_client_without_the_right_password_gets_nothing(backend: Backend, login: str) -> None:
    assert await refuses_login(with_login(backend.nats_url, login))


async def test_a_password_is_good_for_its_own_user_only(backend: Backend) -> None:
    async with connected(backend, "contacts"):
        pass
    password = backend.bus_users["contacts"]
    assert await refuses_login(with_login(backend.nats_url, f"delivery:{password}@"))


# --- what a service may do -------------------------------------------------------------------------------------------


async def test_contacts_cannot_publish_for_others(stack: Stack, backend: Backend) -> None:
    async with connected(backend, "contacts") as (client, errors):
        for subject in FOREIGN_PUBLISH:
            assert await is_refused(errors, "publish", lambda: client.publish(subject, b"{}")), subject  # noqa: B023


async def test_contacts_cannot_listen_to_others(stack: Stack, backend: Backend) -> None:
    async with connected(backend, "contacts") as (client, errors):
        for subject in FOREIGN_SUBSCRIBE:
            assert await is_refused(errors, "subscription", lambda: client.subscribe(subject)), subject  # noqa: B023


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_may_do_what_it_does(stack: Stack, backend: Backend, service: str) -> None:
    async with connected(backend, service) as (client, errors):
        await client.jetstream().publish(f"evt.{service}.{uuid4()}.test.happened", b"{}", timeout=5)
        await client.subscribe(f"qry.{service}.>", queue=service)
        for query in permissions.QUERIES.get(service, ()):
            await client.publish(query, b"{}")
        if service == "delivery":
            await client.request("$JS.API.STREAM.INFO.INGEST", timeout=5)
            with pytest.raises(NotFoundError):
                await client.jetstream().get_last_msg("EVENTS", "evt.delivery.none", direct=True)
            await client.jetstream().get_last_msg("EVENTS", "evt.delivery.>", direct=True)
        await client.flush()
        assert errors == []


def test_every_declared_consumer_and_query_has_its_right_and_no_other_has() -> None:
    rights = {user.name: set(user.publish) for user in permissions.users()}
    queries = {f"qry.{each.name}.{tag_of(query)}" for each in declared_services() for query in each.queries}
    assert {query for asked in permissions.QUERIES.values() for query in asked} <= queries
    for service in declared_services():
        names = {(stream, str(config.durable_name)) for stream, config in consumers_of(service)}
        needed = {f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}" for stream, name in names}
        needed |= {f"$JS.ACK.{stream}.{name}.>" for stream, name in names}
        assert needed <= rights[service.name]
        for other, allowed in rights.items():
            assert other in (service.name, permissions.OPERATOR) or not needed & allowed


async def test_the_operator_cannot_destroy_streams(stack: Stack, backend: Backend) -> None:
    async with connected(backend, permissions.OPERATOR) as (client, errors):
        assert (await client.jetstream().stream_info("EVENTS")).config.name == "EVENTS"
        for call in ("STREAM.PURGE.EVENTS", "STREAM.DELETE.EVENTS", "CONSUMER.DELETE.EVENTS.contacts-events"):
            subject = f"$JS.API.{call}"
            assert await is_refused(errors, "publish", lambda: client.publish(subject, b"{}")), call  # noqa: B023


# --- services with only their rights ---------------------------------------------------------------------------------


@pytest.fixture
async def contacts(stack: Stack, backend: Backend) -> AsyncIterator[Runtime]:
    """The contacts service, connected as its own user."""
    config = stack.settings("contacts", nats_url=backend.nats_url_as("contacts")) if backend.bus_users else None
    if config is None:
        pytest.skip("these servers have no users: GODWIT_TEST_BACKEND=embedded")
    async with running(build(config), config) as runtime:
        yield runtime


async def test_a_command_and_a_query_are_answered_across_users(
    contacts: Runtime, backend: Backend, project: UUID
) -> None:
    async with connected(backend, "gateway") as (gateway, _), connected(backend, "workflows") as (workflows, _):
        saved = await tell(gateway, project, SaveContact(contact_id=uuid7(), email="ann@example.com"), SavedContact)
        query = GetContact(contact_id=saved.id)
        for client in (gateway, workflows):
            assert (await ask(client, project, query, ContactView)).email == "ann@example.com"


async def test_a_command_in_the_name_of_another_project_is_not_executed(
    contacts: Runtime, backend: Backend, stack: Stack, project: UUID
) -> None:
    victim = uuid4()
    command = SaveContact(contact_id=uuid7(), email="eve@example.com")
    envelope = Envelope(id=uuid7(), project=victim, message=command, at=now(), meta=Meta(actor="test"))
    async with connected(backend, "gateway") as (gateway, _):
        subject = command_subject(project, command)
        await gateway.jetstream().publish(subject, encode(command), headers=command_headers(envelope), timeout=5)
        dead = await dead_letter_of(stack.client, envelope.id)
        assert "WrongSubject" in dead.error and dead.subject == subject
        for asked in (project, victim):
            with pytest.raises(Rejected):
                await ask(gateway, asked, GetContact(contact_id=command.contact_id), ContactView)
    await DeadLetters(stack.client).drop(dead.number)


@pytest.mark.parametrize("project_matches", [True, False])
async def test_an_event_of_another_service_or_project_is_not_believed(
    contacts: Runtime, backend: Backend, stack: Stack, project: UUID, project_matches: bool
) -> None:
    """The user of campaigns can publish any body, but only on subjects of campaigns."""
    subject = f"evt.campaigns.{project if project_matches else uuid4()}.{tag_of(CampaignSendingStarted)}"
    event = EmailBounced(
        email_id=uuid4(),
        contact_id=uuid4(),
        message_id="made-up",
        at=now(),
        recipient="ann@example.com",
        bounce_type="Permanent",
        bounce_sub_type="General",
    )
    event_id = uuid7()
    await publish_as(backend, "campaigns", subject, event, event_id, project)
    dead = await dead_letter_of(stack.client, event_id)
    assert "WrongSubject" in dead.error
    await DeadLetters(stack.client).drop(dead.number)


async def publish_as(backend: Backend, user: str, subject: str, event: Event, event_id: UUID, project: UUID) -> None:
    headers = {"Nats-Msg-Id": str(event_id), "godwit-project": str(project), "godwit-version": "1"}
    async with connected(backend, user) as (client, _):
        await client.jetstream().publish(subject, encode(event), headers=headers, timeout=5)


async def dead_letter_of(client: Client, message_id: UUID) -> DeadLetter:
    async def found() -> DeadLetter | None:
        dead = [each async for each in DeadLetters(client).all() if each.message_id == str(message_id)]
        return dead[0] if dead else None

    return await eventually(found, 10)


# --- other servers ---------------------------------------------------------------------------------------------------


def test_the_printed_block_is_a_valid_configuration(tmp_path: Path) -> None:
    passwords = permissions.generate_passwords(user.name for user in permissions.users())
    config = tmp_path / "nats.conf"
    config.write_text(permissions.render(passwords))
    checked = run([str(find_binary()), "-t", "-c", str(config)])
    assert checked.returncode == 0, checked.stderr


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
