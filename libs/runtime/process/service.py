"""A service: what it handles, and the life of its process from start to drain.

A service is declared in its `app.py` as a `Service` value, built by one function from the settings; `run` gives it
a pool, a broker, the relay, its inlets and timers, and stops all of it in order on SIGTERM.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from libs.runtime.eventstore.store import (
    BatchHandler,
)
from libs.runtime.messaging import bus
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from libs.schemas.base import Command, Event, Message, Query


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is made of.

    - `commands`, `reactions` (events of other services), `ingest` and `timers` map message types to batch handlers;
    - `queries` map query types to handlers;
    - `read_models` are folded from own events in the transaction that appends them, and from other services' events
      in the transaction that receives them, before the reactions to them run;
    - `migrations` is the folder of the service's numbered SQL files (tables that are not read models);
    - `work` are loops that run as long as the process does, such as senders.
    """

    name: str
    commands: Mapping[type[Command], BatchHandler] = {}
    reactions: Mapping[type[Event], BatchHandler] = {}
    ingest: Mapping[type[Command], BatchHandler] = {}
    timers: Mapping[type[Message], BatchHandler] = {}
    queries: Mapping[type[Query], bus.QueryHandler] = {}
    read_models: Sequence[Any] = ()
    migrations: Path
    work: Sequence["Callable[[Runtime], Awaitable[None]]"] = ()

    @property
    def foreign_events(self) -> list[type[Event]]:
        """The events of other services that this one consumes, for reactions or read models."""
        folded = [kind for model in self.read_models for kind in model.EVENTS if kind.service != self.name]
        return sorted({*self.reactions, *folded}, key=lambda kind: kind.__name__)


Build: TypeAlias = Callable[[Settings], Service]
