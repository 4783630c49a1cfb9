"""Commands whose cost grows with the data of their project, such as a new segment's, which looks at many contacts.

In the common transaction of group commit, one of them would hold up the commands of all projects. So each runs in a
transaction of its own, beside the others, and one at a time per project, which keeps their order.
"""

from collections.abc import Collection
from typing import Any

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging.bus import RateLimited
from libs.runtime.messaging.group_commit import GroupCommit, Outcome
from libs.runtime.messaging.project_slots import ProjectSlots
from libs.schemas.base import Message

AT_ONCE = 2
MAX_WAITING, MAX_WAIT = 64, 8.0
"""Commands of one project that wait, and for how long. The gateway waits ten seconds for a reply."""


class SlowCommands:
    """The slow commands of a consumer, which are some of those that `commit` handles."""

    def __init__(self, kinds: Collection[type[Message]], commit: GroupCommit) -> None:
        self._kinds = frozenset(kinds)
        self._commit = commit
        self._slots = ProjectSlots(
            "slow commands", total=AT_ONCE, per_project=1, max_waiting=MAX_WAITING, max_wait=MAX_WAIT
        )

    def __contains__(self, envelope: Envelope[Any]) -> bool:
        return type(envelope.message) in self._kinds

    async def handle(self, envelope: Envelope[Any]) -> Outcome:
        """Handle a command and return its outcome: RateLimited if the project has too many of them."""
        try:
            async with self._slots.hold(envelope.project):
                return await self._commit.handle_alone(envelope)
        except RateLimited as too_many:
            return too_many
