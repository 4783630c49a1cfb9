"""The declaration of a service: its handlers, read models and background work.

A service is declared in its `app.py`, by one function that takes the settings and collects the handlers of its folders.
`libs.runtime.process.lifecycle.run` runs it in a process.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from libs.runtime.eventstore.store import BatchHandler
from libs.runtime.messaging import bus
from libs.runtime.process.settings import Settings
from libs.schemas.base import Command, Event, Message, Query

if TYPE_CHECKING:
    from libs.runtime.process.runtime import Runtime

K = TypeVar("K")
V = TypeVar("V")


class Handlers(msgspec.Struct, frozen=True, kw_only=True):
    """The handlers of one folder of a service, which declares them in its `handlers.py`.

    - `commands`, `reactions` (events of other services), `ingest` and `timers` map message types to batch handlers;
    - `slow_commands` are those of the commands whose cost grows with the project's data: see
      `libs.runtime.messaging.slow_commands`;
    - `queries` map query types to handlers, which see the rows of one project, and all rows of the `shared_tables`,
      which have none;
    - `read_models` are folded from the service's events in the transaction that appends them, and from other services'
      events in the transaction that handles them, before the reactions run;
    - `work` are loops that run as long as the process, such as senders.
    """

    commands: Mapping[type[Command], BatchHandler] = {}
    slow_commands: Collection[type[Command]] = ()
    reactions: Mapping[type[Event], BatchHandler] = {}
    ingest: Mapping[type[Command], BatchHandler] = {}
    timers: Mapping[type[Message], BatchHandler] = {}
    queries: Mapping[type[Query], bus.QueryHandler] = {}
    shared_tables: Collection[str] = ()
    read_models: Sequence[Any] = ()
    work: Sequence["Callable[[Runtime], Awaitable[None]]"] = ()


class Service(Handlers, frozen=True, kw_only=True):
    """A service: its name, its handlers and its migrations.

    `migrations` is the folder of its numbered SQL files, which create the tables that are not read models.
    """

    name: str
    migrations: Path

    @classmethod
    def of(cls, name: str, migrations: Path, *parts: Handlers) -> "Service":
        """Compose a service from the handlers of its folders. Raise ValueError if two of them handle the same message.

        Read models are folded in the order of the parts.
        """
        return cls(
            name=name,
            migrations=migrations,
            commands=_merged([part.commands for part in parts]),
            slow_commands=[kind for part in parts for kind in part.slow_commands],
            reactions=_merged([part.reactions for part in parts]),
            ingest=_merged([part.ingest for part in parts]),
            timers=_merged([part.timers for part in parts]),
            queries=_merged([part.queries for part in parts]),
            shared_tables=[table for part in parts for table in part.shared_tables],
            read_models=[model for part in parts for model in part.read_models],
            work=[loop for part in parts for loop in part.work],
        )

    @property
    def foreign_events(self) -> list[type[Event]]:
        """The events of other services that this one consumes, for reactions or read models."""
        folded = [kind for model in self.read_models for kind in model.EVENTS if kind.service != self.name]
        return sorted({*self.reactions, *folded}, key=lambda kind: kind.__name__)


Build: TypeAlias = Callable[[Settings], Service]


def _merged(mappings: Sequence[Mapping[K, V]]) -> dict[K, V]:
    merged: dict[K, V] = {}
    for mapping in mappings:
        if twice := merged.keys() & mapping.keys():
            raise ValueError(f"more than one handler for {', '.join(sorted(str(each) for each in twice))}")
        merged |= mapping
    return merged
