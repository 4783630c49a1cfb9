"""Executions: what starts them, how delays and replies of contacts advance them, and that each effect happens once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from nats.aio.msg import Msg

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging.bus import ask
from libs.runtime.operations.rebuild import rebuild
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import (
    announce,
    eventually,
    facts,
    running,
)
from libs.schemas.base import Event
from libs.schemas.contacts.contacts import (
    ContactUnsubscribed,
    ContactView,
    EventTracked,
    GetContact,
    Match,
    MatchContact,
)
from libs.schemas.feedback.mails import EmailClicked
from libs.schemas.workflows import ExecutionPage, ExecutionView, GetExecution, ListExecutions, WorkflowView
from services.workflows.app import build
from tests.conftest import Stack
from tests.service.workflows.test_commands import Author

AT = datetime(2026, 11, 21, tzinfo=UTC)
SHORT_DELAY = 0.004
"""Minutes."""
PATIENT = ",".join(["0.2"] * 100)


@pytest.fixture(scope="module")
async def service(stack: Stack) -> AsyncIterator[Runtime]:
    settings = stack.settings("workflows", retry_delays=PATIENT)
    async with running(build(settings), settings) as runtime:
        yield runtime


@asynccontextmanager
async def contacts(flow: "Flow", reply: Callable[[Any], object]) -> AsyncIterator[list[Any]]:
    """Stand in for the contacts service. Yields the queries that it receives about the flow's project."""
    client, queries = flow.author.client, []

    async def on_query(raw: Msg) -> None:
        query = msgspec.json.decode(raw.data, type=MatchContact | GetContact)
        if (raw.headers or {})["godwit-project"] == str(flow.project):  # executions of earlier tests may still ask
            queries.append(query)
        try:
            await raw.respond(accepted_reply(reply(query)))
        except Rejected as error:
            await raw.respond(encode(error.as_reply()))

    subscription = await client.subscribe("qry.contacts.>", cb=on_query)
    await client.flush()
    yield queries
    await subscription.unsubscribe()


class Flow:
    """A workflow and its executions."""

    def __init__(self, service: Runtime, author: Author, workflow: WorkflowView) -> None:
        self.service = service
        self.author = author
        self.project = author.project
        self.workflow = workflow
        self.id = workflow.id

    def tracked(self, contact: UUID | None = None, **data: Any) -> EventTracked:
        return EventTracked(
            event_id=uuid7(), contact_id=contact or uuid4(), email="ann@example.com", name="signup", data=data
        )

    async def announce(self, *events: Event) -> None:
        await asyncio.gather(*(announce(self.author.client, self.project, event) for event in events))

    async def executions(self, **only: Any) -> list[ExecutionView]:
        query = ListExecutions(workflow_id=self.id, page_size=100, **only)
        return (await ask(self.author.client, self.project, query, ExecutionPage)).executions

    async def until(self, *statuses: str) -> list[ExecutionView]:
        """Wait until the executions have these statuses, and return them."""

        async def reached() -> list[ExecutionView] | None:
            found = await self.executions()
            return found if sorted(each.status for each in found) == sorted(statuses) else None

        return await eventually(reached)

    async def settled(self) -> None:
        """Wait until everything on the bus so far is handled: a later event has started another workflow."""
        marker = await self.author.create(event_name=f"marker-{uuid4()}", enabled=True)
        last = msgspec.structs.replace(self.tracked(), name=marker.trigger_config.event_name)
        await self.announce(last)
        await Flow(self.service, self.author, marker).until("COMPLETED")

    async def kinds(self) -> list[str]:
        return [kind for kind, _ in await facts(self.service, self.project) if kind.startswith("execution.")]

    async def mails(self) -> list[dict[str, Any]]:
        return [data for kind, data in await facts(self.service, self.project) if kind == "execution.email_requested"]


CreateFlow = Callable[..., Any]


@pytest.fixture
def create_flow(service: Runtime, stack: Stack, project: UUID) -> CreateFlow:
    """Return a function that creates an enabled workflow from (type, config) steps, each connected to the next."""

    async def create(*steps: tuple[Any, dict[str, Any]], **settings: Any) -> Flow:
        author = Author(stack, project)
        workflow = await author.create(**{"enabled": True, **settings})
        for kind, config in steps:
            await author.add(workflow, kind, **config)
        return Flow(service, author, workflow)

    return create


MAIL = ("SEND_EMAIL", {"templateId": str(uuid4())})
WAIT = ("DELAY", {"amount": SHORT_DELAY, "unit": "minutes"})
END = ("EXIT", {"reason": "done"})


# --- from start to end ---


async def test_an_event_takes_a_contact_through_a_mail_a_delay_a_condition_and_an_exit(
    stack: Stack, create_flow: CreateFlow
) -> None:
    asks = ("CONDITION", {"field": "data.plan", "operator": "equals", "value": "pro"})
    flow = await create_flow(MAIL, WAIT, asks, END)
    tracked = flow.tracked(plan="pro")
    async with contacts(flow, lambda _: Match(matches=True)) as queries:
        await flow.announce(tracked)
        [execution] = await flow.until("EXITED")
    assert (execution.exit_reason, execution.context, execution.current_step_id) == ("done", {"plan": "pro"}, None)
    assert execution.completed_at is not None
    assert [query.contact_id for query in queries] == [tracked.contact_id]
    assert await flow.kinds() == [
        "execution.started",
        "execution.step_completed",
        "execution.email_requested",
        "execution.step_completed",
        "execution.delay_started",
        "execution.step_completed",
        "execution.step_completed",
        "execution.step_completed",
        "execution.exited",
    ]
    [mail] = await flow.mails()
    assert (mail["email"], mail["templateId"]) == ("ann@example.com", MAIL[1]["templateId"])
    query = GetExecution(workflow_id=flow.id, execution_id=execution.id)
    assert await ask(stack.client, flow.project, query, ExecutionView) == execution


async def test_an_execution_is_waiting_during_a_delay(service: Runtime, create_flow: CreateFlow) -> None:
    flow = await create_flow(("DELAY", {"amount": 1, "unit": "days"}), END)
    await flow.announce(flow.tracked())
    [waiting] = await flow.until("WAITING")
    assert waiting.current_step_id is not None
    due = await service.pool.fetchval(
        "select due_at - now() > interval '23 hours' from timers where key = $1", str(waiting.id)
    )
    assert due is True


@pytest.mark.parametrize(("matches", "branch"), [(True, "yes"), (False, "no")])
async def test_the_reply_of_contacts_chooses_the_branch(create_flow: CreateFlow, matches: bool, branch: str) -> None:
    flow = await create_flow()
    asks = await flow.author.add(flow.workflow, "CONDITION", field="contact.subscribed", operator="equals", value=True)
    for name in ("yes", "no"):
        end = await flow.author.add(flow.workflow, "EXIT", auto_connect=False, reason=name)
        await flow.author.connect(flow.workflow, asks.id, end.id, name)
    async with contacts(flow, lambda _: Match(matches=matches)) as queries:
        await flow.announce(flow.tracked())
        [execution] = await flow.until("EXITED")
    assert execution.exit_reason == branch
    assert [test.field for test in queries[0].condition.groups[0].filters] == ["subscribed"]


async def test_filters_on_the_context_are_evaluated_without_asking_contacts(create_flow: CreateFlow) -> None:
    flow = await create_flow(("CONDITION", {"field": "event.total", "operator": "greaterThan", "value": 100}))
    condition = (await flow.author.get(flow.id)).steps[1]
    big = await flow.author.add(flow.workflow, "EXIT", auto_connect=False, reason="big")
    await flow.author.connect(flow.workflow, condition.id, big.id, "yes")
    await flow.announce(flow.tracked(total=500), flow.tracked(total=5))
    ended = await flow.until("EXITED", "COMPLETED")
    assert {(each.status, each.context["total"]) for each in ended} == {("EXITED", 500), ("COMPLETED", 5)}


async def test_the_first_branch_that_matches_is_taken(create_flow: CreateFlow) -> None:
    branches = [{"id": plan, "operator": "equals", "value": plan} for plan in ("free", "pro", "max")]
    flow = await create_flow(("CONDITION", {"mode": "multi", "field": "data.plan", "branches": branches}))
    condition = (await flow.author.get(flow.id)).steps[1]
    for branch in ("free", "pro", "default"):
        end = await flow.author.add(flow.workflow, "EXIT", auto_connect=False, reason=branch)
        await flow.author.connect(flow.workflow, condition.id, end.id, branch)

    def plan_is_pro(query: Any) -> Match:
        return Match(matches=query.condition.groups[0].filters[0].value == "pro")

    async with contacts(flow, plan_is_pro) as queries:
        await flow.announce(flow.tracked())
        [execution] = await flow.until("EXITED")
    assert execution.exit_reason == "pro"
    assert [query.condition.groups[0].filters[0].value for query in queries] == ["free", "pro"]


# --- triggers ---


async def test_a_disabled_workflow_enrolls_nobody(create_flow: CreateFlow) -> None:
    flow = await create_flow(END, enabled=False)
    await flow.announce(flow.tracked())
    await flow.settled()
    assert await flow.executions() == []


async def test_an_event_with_another_name_or_of_another_project_starts_nothing(create_flow: CreateFlow) -> None:
    flow = await create_flow(END)
    await announce(flow.author.client, uuid4(), flow.tracked())
    await flow.announce(msgspec.structs.replace(flow.tracked(), name="signup2"))
    await flow.settled()
    assert await flow.executions() == []


async def test_every_workflow_of_an_event_enrolls_the_contact(create_flow: CreateFlow) -> None:
    first, second = await create_flow(END), await create_flow(END)
    await first.announce(first.tracked())
    await first.until("EXITED")
    await second.until("EXITED")


async def test_unsubscribing_starts_a_workflow(create_flow: CreateFlow) -> None:
    flow = await create_flow(END, event_name="contact.unsubscribed")
    await flow.announce(ContactUnsubscribed(contact_id=uuid4(), email="ann@example.com", reason="link"))
    [execution] = await flow.until("EXITED")
    assert execution.context["reason"] == "link"


def clicked(contact: UUID, **fields: Any) -> EmailClicked:
    known = {"email_id": uuid4(), "contact_id": contact, "message_id": "m", "at": AT, "first": True}
    return EmailClicked(**{**known, "link": "https://example.com/x", **fields})


@pytest.mark.parametrize("name", ["email.clicked", "email.click"])
async def test_a_click_starts_a_workflow_that_sends_to_the_current_address(create_flow: CreateFlow, name: str) -> None:
    flow = await create_flow(MAIL, event_name=name)
    contact = uuid4()
    found = ContactView(id=contact, email="now@example.com", subscribed=True, data={}, created_at="", updated_at="")
    async with contacts(flow, lambda _: found):
        await flow.announce(clicked(contact))
        [execution] = await flow.until("COMPLETED")
    assert execution.context["link"] == "https://example.com/x"
    assert [mail["email"] for mail in await flow.mails()] == ["now@example.com"]


async def test_after_a_delay_a_mail_goes_to_the_address_that_the_contact_has_then(create_flow: CreateFlow) -> None:
    flow = await create_flow(WAIT, MAIL)
    tracked = flow.tracked()
    moved = ContactView(
        id=tracked.contact_id, email="moved@example.com", subscribed=True, data={}, created_at="", updated_at=""
    )
    async with contacts(flow, lambda _: moved):
        await flow.announce(tracked)
        await flow.until("COMPLETED")
    assert [mail["email"] for mail in await flow.mails()] == ["moved@example.com"]


async def test_clicks_by_machines_and_in_its_own_mails_do_not_start_a_workflow(create_flow: CreateFlow) -> None:
    flow = await create_flow(END, event_name="email.clicked", allow_reentry=True)
    await flow.announce(clicked(uuid4(), machine=True), clicked(uuid4(), workflow_id=flow.id))
    await flow.settled()
    assert await flow.executions() == []


# --- once ---


async def test_a_repeated_event_starts_nothing(create_flow: CreateFlow) -> None:
    flow = await create_flow(END, allow_reentry=True)
    tracked = Envelope(id=uuid7(), project=flow.project, message=flow.tracked(), at=AT, version=1)
    consumer = flow.service.consumers["workflows-events"].commit
    for _ in range(3):
        await consumer.submit(tracked)
    await flow.until("EXITED")
    # As after a replay that goes further back than the inbox.
    await flow.service.pool.execute("delete from inbox where message_id = $1", tracked.id)
    await consumer.submit(tracked)
    assert len(await flow.executions()) == 1


async def test_without_reentry_a_contact_is_enrolled_once(create_flow: CreateFlow) -> None:
    flow = await create_flow(END)
    contact = uuid4()
    await flow.announce(*(flow.tracked(contact) for _ in range(20)))
    await flow.until("EXITED")
    await flow.announce(flow.tracked(contact))
    await flow.settled()
    assert len(await flow.executions()) == 1


async def test_with_reentry_a_contact_is_enrolled_again_after_the_execution_ended(create_flow: CreateFlow) -> None:
    flow = await create_flow(END, allow_reentry=True)
    contact = uuid4()
    for count in range(1, 4):
        await flow.announce(flow.tracked(contact))
        await flow.until(*["EXITED"] * count)


async def test_with_reentry_a_contact_has_one_active_execution(create_flow: CreateFlow) -> None:
    flow = await create_flow(("DELAY", {"amount": 1, "unit": "days"}), allow_reentry=True)
    contact = uuid4()
    await flow.announce(*(flow.tracked(contact) for _ in range(20)))
    await flow.until("WAITING")
    await flow.settled()
    assert len(await flow.executions()) == 1


async def test_two_replicas_enroll_each_contact_once_and_send_one_mail(stack: Stack, create_flow: CreateFlow) -> None:
    flow = await create_flow(MAIL, ("DELAY", {"amount": 1, "unit": "days"}), allow_reentry=True)
    settings = stack.settings("workflows", instance="2", retry_delays=PATIENT)
    async with running(build(settings), settings) as replica:
        consumers = [runtime.consumers["workflows-events"].commit for runtime in (flow.service, replica)]
        for contact in (contact_ids := [uuid4() for _ in range(20)]):
            both = [
                Envelope(id=uuid7(), project=flow.project, message=flow.tracked(contact), at=AT, version=1)
                for _ in consumers
            ]
            await asyncio.gather(*(consumer.submit(each) for consumer, each in zip(consumers, both, strict=True)))
    assert len(await flow.until(*["WAITING"] * 20)) == 20
    assert sorted(mail["contactId"] for mail in await flow.mails()) == sorted(str(contact) for contact in contact_ids)


# --- failures ---


async def test_executions_wait_until_contacts_answers(create_flow: CreateFlow) -> None:
    flow = await create_flow(("CONDITION", {"field": "data.plan", "operator": "exists"}), END)
    await flow.announce(*(flow.tracked() for _ in range(10)))
    await flow.until(*["RUNNING"] * 10)
    async with contacts(flow, lambda _: Match(matches=True)):
        await flow.until(*["EXITED"] * 10)
    assert (await flow.kinds()).count("execution.exited") == 10


async def test_executions_that_do_not_need_contacts_go_on_without_it(create_flow: CreateFlow) -> None:
    asking = await create_flow(("CONDITION", {"field": "data.plan", "operator": "exists"}), END)
    plain = await create_flow(END)
    await asking.announce(*(asking.tracked() for _ in range(10)))
    await plain.until(*["EXITED"] * 10)
    assert {each.status for each in await asking.executions()} == {"RUNNING"}


async def test_a_missing_contact_fails_only_its_own_execution(create_flow: CreateFlow) -> None:
    flow = await create_flow(("CONDITION", {"field": "data.plan", "operator": "exists"}), END)
    missing, existing = flow.tracked(), flow.tracked()

    def reply(query: Any) -> Match:
        if query.contact_id == missing.contact_id:
            raise Rejected("CONTACT_NOT_FOUND", "Contact not found")
        return Match(matches=True)

    async with contacts(flow, reply):
        await flow.announce(missing, existing)
        await flow.until("EXITED", "FAILED")
    [failed] = await flow.executions(status="FAILED")
    assert (failed.contact_id, failed.exit_reason) == (missing.contact_id, "Contact not found")


async def test_rebuilt_read_models_equal_the_original_ones(stack: Stack, create_flow: CreateFlow) -> None:
    flow = await create_flow(MAIL, WAIT, END, allow_reentry=True)
    await flow.announce(*(flow.tracked() for _ in range(5)))
    before = await flow.until(*["EXITED"] * 5)
    workflow = await flow.author.get(flow.id)
    service = flow.service
    await rebuild(stack.admin_url, service.client, service.service, service.service.read_models)
    assert await flow.executions() == before
    assert await flow.author.get(flow.id) == workflow
    await flow.announce(flow.tracked(before[0].contact_id))
    await flow.until(*["EXITED"] * 6)
