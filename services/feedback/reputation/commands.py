"""Commands by which an operator pauses and resumes the bulk mail of a project."""

from collections.abc import Sequence
from functools import reduce
from typing import TypeAlias, get_args

from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.feedback.reputation import PauseSending, ResumeSending
from services.feedback.reputation.decisions import append_decisions
from services.feedback.reputation.read_models import reputation as reputations
from services.feedback.reputation.reputation import decide, evolve
from services.feedback.reputation.views import reputation_view

Command: TypeAlias = PauseSending | ResumeSending


async def pause_or_resume(unit: UnitOfWork, envelopes: Sequence[Envelope[Command]]) -> Sequence[bytes]:
    """Pause or resume each project. A project that is already in the requested state stays as it is."""
    loaded = await reputations.load(unit.conn, {envelope.project for envelope in envelopes}, unit.now)
    replies = []
    for envelope in envelopes:
        project = envelope.project
        reputation, version = loaded[project]
        events = decide(envelope.message, project, reputation, unit.now)
        append_decisions(unit, events, version, envelope)
        reputation = reduce(lambda state, event: evolve(state, event, unit.now), events, reputation)
        loaded[project] = reputation, version
        replies.append(accepted_reply(reputation_view(project, reputation, unit.now)))
    return replies


COMMANDS = dict.fromkeys(get_args(Command), pause_or_resume)
