"""The reputation monitor: judges the projects whose mail bounces or is complained about."""

from collections.abc import Collection
from uuid import UUID

from libs.runtime.eventstore.envelope import Origin
from libs.runtime.eventstore.store import UnitOfWork
from services.feedback.reputation.decisions import append_decisions
from services.feedback.reputation.read_models import reputation as reputations
from services.feedback.reputation.reputation import Judge, decide


class ReputationMonitor:
    """Warns of projects with a bad reputation and, if `pausing`, pauses their bulk mail."""

    def __init__(self, *, pausing: bool) -> None:
        self._pausing = pausing

    async def judge(self, unit: UnitOfWork, projects: Collection[UUID]) -> None:
        """Decide on the projects by their counts, including what this unit of work has appended so far.

        A decision commits together with the facts that led to it, so there is never one without the other.
        """
        await unit.flush()
        for project, (reputation, version) in (await reputations.load(unit.conn, projects, unit.now)).items():
            events = decide(Judge(self._pausing), project, reputation, unit.now)
            append_decisions(unit, events, version, Origin(project=project))
