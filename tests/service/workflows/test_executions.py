"""Executions: what starts them, how time and contacts' answers take them on, and that each thing happens once."""

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
BLINK = 0.004
"""Minutes."""
PATIENT = ",".join(["0.2"] * 100)


@pytest.fixture(scope="module")
async def service(stack: Stack) -> AsyncIterator[Runtime]:
    settings = stack.settings("workflows", retry_delays=PATIENT)
    async with running(build(settings), settings) as runtime:
        yield runtime


@asynccontextmanager
async def contacts(stack: Stack, answer: Callable[[Any], object]) -> AsyncIterator[list[Any]]:
    """Stands in for the contacts service; yields the questions that it was asked."""
    asked: list[Any] = []

    async def on_query(raw: Msg) -> None:
        asked.append(question := msgspec.json.decode(raw.data, type=MatchContact | GetContact))
        try:
            await raw.respond(accepted_reply(answer(question)))
        except Rejected as no:
            await raw.respond(encode(no.as_reply()))

    subscription = await stack.client.subscribe("qry.contacts.>", cb=on_query)
    await stack.client.flush()
    yield asked
    await subscription.unsubscribe()


class Flow:
    """A workflow, and what happens to contacts in it."""

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

    async def happens(self, *events: Event) -> None:
        await asyncio.gather(*(announce(self.author.client, self.project, event) for event in events))

    async def executions(self, **only: Any) -> list[ExecutionView]:
        query = ListExecutions(workflow_id=self.id, page_size=100, **only)
        return (await ask(self.author.client, self.project, query, ExecutionPage)).executions

    async def until(self, *statuses: str) -> list[ExecutionView]:
        """The executions, as soon as they are in these states."""

        async def reached() -> list[ExecutionView] | None:
            found = await self.executions()
            return found if sorted(one.status for one in found) == sorted(statuses) else None

        return await eventually(reached)

    async def settled(self) -> None:
        """All that is on the bus so far has come: an event behind it started a workflow of its own."""
        marker = await self.author.create(event_name=f"marker-{uuid4()}", enabled=True)
        last = msgspec.structs.replace(self.tracked(), name=marker.trigger_config.event_name)
        await self.happens(last)
        await Flow(self.service, self.author, marker).until("COMPLETED")

    async def kinds(self) -> list[str]:
        return [kind for kind, _ in await facts(self.service, self.project) if kind.startswith("execution.")]

    async def mails(self) -> list[dict[str, Any]]:
        return [data for kind, data in await facts(self.service, self.project) if kind == "execution.email_requested"]


Make = Callable[..., Any]


@pytest.fixture
def flow(service: Runtime, stack: Stack, project: UUID) -> Make:
    """Makes an enabled workflow from (type, config) steps, each connected to the one before."""

    async def make(*steps: tuple[Any, dict[str, Any]], **settings: Any) -> Flow:
        author = Author(stack, project)
        workflow = await author.create(**{"enabled": True, **settings})
        for kind, config in steps:
            await author.add(workflow, kind, **config)
        return Flow(service, author, workflow)

    return make


MAIL = ("SEND_EMAIL", {"templateId": str(uuid4())})
WAIT = ("DELAY", {"amount": BLINK, "unit": "minutes"})
END = ("EXIT", {"reason": "done"})


# --- the whole way ---


async def test_an_event_takes_a_contact_through_mail_delay_condition_and_exit(stack: Stack, flow: Make) -> None:
    asks = ("CONDITION", {"field": "data.plan", "operator": "equals", "value": "pro"})
    made = await flow(MAIL, WAIT, asks, END)
    tracked = made.tracked(plan="pro")
    async with contacts(stack, lambda _: Match(matches=True)) as asked:
        await made.happens(tracked)
        [execution] = await made.until("EXITED")
    assert (execution.exit_reason, execution.context, execution.current_step_id) == ("done", {"plan": "pro"}, None)
    assert execution.completed_at is not None
    assert [question.contact_id for question in asked] == [tracked.contact_id]
    assert await made.kinds() == [
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
    [mail] = await made.mails()
    assert (mail["email"], mail["templateId"]) == ("ann@example.com", MAIL[1]["templateId"])
    query = GetExecution(workflow_id=made.id, execution_id=execution.id)
    assert await ask(stack.client, made.project, query, ExecutionView) == execution


async def test_a_delay_is_shown_as_waiting_until_it_is_over(service: Runtime, flow: Make) -> None:
    made = await flow(("DELAY", {"amount": 1, "unit": "days"}), END)
    await made.happens(made.tracked())
    [waiting] = await made.until("WAITING")
    assert waiting.current_step_id is not None
    due = await service.pool.fetchval(
        "select due_at - now() > interval '23 hours' from timers where key = $1", str(waiting.id)
    )
    assert due is True


@pytest.mark.parametrize(("matches", "branch"), [(True, "yes"), (False, "no")])
async def test_contacts_answer_chooses_the_branch(stack: Stack, flow: Make, matches: bool, branch: str) -> None:
    made = await flow()
    asks = await made.author.add(made.workflow, "CONDITION", field="contact.subscribed", operator="equals", value=True)
    for name in ("yes", "no"):
        end = await made.author.add(made.workflow, "EXIT", auto_connect=False, reason=name)
        await made.author.connect(made.workflow, asks.id, end.id, name)
    async with contacts(stack, lambda _: Match(matches=matches)) as asked:
        await made.happens(made.tracked())
        [execution] = await made.until("EXITED")
    assert execution.exit_reason == branch
    assert [test.field for test in asked[0].condition.groups[0].filters] == ["subscribed"]


async def test_what_the_event_told_is_judged_without_asking(flow: Make) -> None:
    made = await flow(("CONDITION", {"field": "event.total", "operator": "greaterThan", "value": 100}))
    condition = (await made.author.get(made.id)).steps[1]
    big = await made.author.add(made.workflow, "EXIT", auto_connect=False, reason="big")
    await made.author.connect(made.workflow, condition.id, big.id, "yes")
    await made.happens(made.tracked(total=500), made.tracked(total=5))
    ended = await made.until("EXITED", "COMPLETED")
    assert {(one.status, one.context["total"]) for one in ended} == {("EXITED", 500), ("COMPLETED", 5)}


async def test_the_first_branch_that_holds_is_taken(stack: Stack, flow: Make) -> None:
    branches = [{"id": plan, "operator": "equals", "value": plan} for plan in ("free", "pro", "max")]
    made = await flow(("CONDITION", {"mode": "multi", "field": "data.plan", "branches": branches}))
    condition = (await made.author.get(made.id)).steps[1]
    for branch in ("free", "pro", "default"):
        end = await made.author.add(made.workflow, "EXIT", auto_connect=False, reason=branch)
        await made.author.connect(made.workflow, condition.id, end.id, branch)

    def plan_is_pro(question: Any) -> Match:
        return Match(matches=question.condition.groups[0].filters[0].value == "pro")

    async with contacts(stack, plan_is_pro) as asked:
        await made.happens(made.tracked())
        [execution] = await made.until("EXITED")
    assert execution.exit_reason == "pro"
    assert [question.condition.groups[0].filters[0].value for question in asked] == ["free", "pro"]


# --- what starts it ---


async def test_a_disabled_workflow_takes_nobody_in(flow: Make) -> None:
    made = await flow(END, enabled=False)
    await made.happens(made.tracked())
    await made.settled()
    assert await made.executions() == []


async def test_an_event_of_another_name_or_project_starts_nothing(flow: Make) -> None:
    made = await flow(END)
    await announce(made.author.client, uuid4(), made.tracked())
    await made.happens(msgspec.structs.replace(made.tracked(), name="signup2"))
    await made.settled()
    assert await made.executions() == []


async def test_every_workflow_of_an_event_takes_the_contact_in(flow: Make) -> None:
    first, second = await flow(END), await flow(END)
    await first.happens(first.tracked())
    await first.until("EXITED")
    await second.until("EXITED")


async def test_unsubscribing_starts_a_workflow(flow: Make) -> None:
    made = await flow(END, event_name="contact.unsubscribed")
    await made.happens(ContactUnsubscribed(contact_id=uuid4(), email="ann@example.com", reason="link"))
    [execution] = await made.until("EXITED")
    assert execution.context["reason"] == "link"


def clicked(contact: UUID, **fields: Any) -> EmailClicked:
    known = {"email_id": uuid4(), "contact_id": contact, "message_id": "m", "at": AT, "first": True}
    return EmailClicked(**{**known, "link": "https://example.com/x", **fields})


@pytest.mark.parametrize("name", ["email.clicked", "email.click"])
async def test_a_click_starts_a_workflow_that_mails_the_address_of_the_contact(
    stack: Stack, flow: Make, name: str
) -> None:
    made = await flow(MAIL, event_name=name)
    contact = uuid4()
    found = ContactView(id=contact, email="now@example.com", subscribed=True, data={}, created_at="", updated_at="")
    async with contacts(stack, lambda _: found):
        await made.happens(clicked(contact))
        [execution] = await made.until("COMPLETED")
    assert execution.context["link"] == "https://example.com/x"
    assert [mail["email"] for mail in await made.mails()] == ["now@example.com"]


async def test_machines_and_its_own_mails_do_not_start_a_workflow(flow: Make) -> None:
    made = await flow(END, event_name="email.clicked", allow_reentry=True)
    await made.happens(clicked(uuid4(), machine=True), clicked(uuid4(), workflow_id=made.id))
    await made.settled()
    assert await made.executions() == []


# --- once ---


async def test_an_event_that_comes_again_starts_nothing_more(flow: Make) -> None:
    made = await flow(END, allow_reentry=True)
    tracked = Envelope(id=uuid7(), project=made.project, message=made.tracked(), at=AT, version=1)
    consumer = made.service.consumers["workflows-events"].commit
    for _ in range(3):
        await consumer.submit(tracked)
    await made.until("EXITED")
    # As after a replay that reaches further back than the inbox does.
    await made.service.pool.execute("delete from inbox where message_id = $1", tracked.id)
    await consumer.submit(tracked)
    assert len(await made.executions()) == 1


async def test_without_reentry_a_contact_enters_once_for_ever(flow: Make) -> None:
    made = await flow(END)
    contact = uuid4()
    await made.happens(*(made.tracked(contact) for _ in range(20)))
    await made.until("EXITED")
    await made.happens(made.tracked(contact))
    await made.settled()
    assert len(await made.executions()) == 1


async def test_with_reentry_a_contact_enters_again_after_it_left(flow: Make) -> None:
    made = await flow(END, allow_reentry=True)
    contact = uuid4()
    for count in range(1, 4):
        await made.happens(made.tracked(contact))
        await made.until(*["EXITED"] * count)


async def test_with_reentry_a_contact_is_inside_once_at_a_time(flow: Make) -> None:
    made = await flow(("DELAY", {"amount": 1, "unit": "days"}), allow_reentry=True)
    contact = uuid4()
    await made.happens(*(made.tracked(contact) for _ in range(20)))
    await made.until("WAITING")
    await made.settled()
    assert len(await made.executions()) == 1


async def test_two_replicas_take_each_contact_in_once_and_mail_once(stack: Stack, flow: Make) -> None:
    made = await flow(MAIL, ("DELAY", {"amount": 1, "unit": "days"}), allow_reentry=True)
    settings = stack.settings("workflows", instance="2", retry_delays=PATIENT)
    async with running(build(settings), settings) as replica:
        consumers = [runtime.consumers["workflows-events"].commit for runtime in (made.service, replica)]
        for person in (people := [uuid4() for _ in range(20)]):
            both = [
                Envelope(id=uuid7(), project=made.project, message=made.tracked(person), at=AT, version=1)
                for _ in consumers
            ]
            await asyncio.gather(*(consumer.submit(one) for consumer, one in zip(consumers, both, strict=True)))
    assert len(await made.until(*["WAITING"] * 20)) == 20
    assert sorted(mail["contactId"] for mail in await made.mails()) == sorted(str(person) for person in people)


# --- when things go wrong ---


async def test_it_waits_for_contacts_to_answer_and_then_goes_on(stack: Stack, flow: Make) -> None:
    made = await flow(("CONDITION", {"field": "data.plan", "operator": "exists"}), END)
    await made.happens(*(made.tracked() for _ in range(10)))
    await made.until(*["RUNNING"] * 10)
    async with contacts(stack, lambda _: Match(matches=True)):
        await made.until(*["EXITED"] * 10)
    assert (await made.kinds()).count("execution.exited") == 10


async def test_silence_of_contacts_holds_up_nobody_else(flow: Make) -> None:
    asking = await flow(("CONDITION", {"field": "data.plan", "operator": "exists"}), END)
    plain = await flow(END)
    await asking.happens(*(asking.tracked() for _ in range(10)))
    await plain.until(*["EXITED"] * 10)
    assert {one.status for one in await asking.executions()} == {"RUNNING"}


async def test_a_contact_that_is_gone_fails_its_execution_only(stack: Stack, flow: Make) -> None:
    made = await flow(("CONDITION", {"field": "data.plan", "operator": "exists"}), END)
    gone, here = made.tracked(), made.tracked()

    def answer(question: Any) -> Match:
        if question.contact_id == gone.contact_id:
            raise Rejected("CONTACT_NOT_FOUND", "Contact not found")
        return Match(matches=True)

    async with contacts(stack, answer):
        await made.happens(gone, here)
        await made.until("EXITED", "FAILED")
    [failed] = await made.executions(status="FAILED")
    assert (failed.contact_id, failed.exit_reason) == (gone.contact_id, "Contact not found")


async def test_read_models_that_are_rebuilt_equal_those_that_never_were(stack: Stack, flow: Make) -> None:
    made = await flow(MAIL, WAIT, END, allow_reentry=True)
    await made.happens(*(made.tracked() for _ in range(5)))
    before = await made.until(*["EXITED"] * 5)
    workflow = await made.author.get(made.id)
    service = made.service
    await rebuild(stack.admin_url, service.client, service.service, service.service.read_models)
    assert await made.executions() == before
    assert await made.author.get(made.id) == workflow
    await made.happens(made.tracked(before[0].contact_id))
    await made.until(*["EXITED"] * 6)
