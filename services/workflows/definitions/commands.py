"""Commands on workflows: how their state is loaded and what they reply."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.base import View
from libs.schemas.workflows import AddStep, AddTransition
from services.workflows.definitions import workflow
from services.workflows.definitions.read_models import workflow as rows
from services.workflows.definitions.views import workflow_view
from services.workflows.definitions.workflow import Command, State, Workflow, equal_transition


def _key(envelope: Envelope[Any]) -> tuple[UUID, UUID]:
    return envelope.project, envelope.message.workflow_id


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> Mapping[Hashable, Loaded[State]]:
    stored = await rows.load(conn, {_key(envelope) for envelope in envelopes})
    return {
        key: Loaded(state=state, stream=f"workflow-{key[1]}", version=version)
        for key, (state, version) in stored.items()
    }


def _reply(envelope: Envelope[Any], state: State, events: Sequence[Any], now: datetime) -> View:
    assert isinstance(state, Workflow)
    match envelope.message:
        case AddStep(step=step):
            return step
        case AddTransition(transition=transition):
            return equal_transition(state.graph, transition) or transition
        case _:
            return workflow_view(envelope.message.workflow_id, state, updated_at=now if events else None, now=now)


COMMANDS = dict.fromkeys(get_args(Command), Aggregate(workflow, key=_key, load=_load, reply=_reply))
