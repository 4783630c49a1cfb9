"""A batch handler for a decider: load all states in one query, decide in memory and in order, append."""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.base import Accepted, View

S = TypeVar("S")
K = TypeVar("K", bound=Hashable)


class Decider(Protocol[S]):
    """The interface of a domain module. `decide` is pure and raises Rejected; `evolve` never fails."""

    @property
    def INITIAL(self) -> S: ...  # noqa: N802 - a module's constant

    def decide(self, command: Any, state: S, now: datetime, /) -> list[Any]: ...

    def evolve(self, state: S, event: Any, /) -> S: ...


class Loaded(msgspec.Struct, Generic[S], frozen=True):
    """A stored state, with its version in its stream."""

    state: S
    stream: str
    version: int


Load = Callable[[Connection, Sequence[Envelope[Any]]], Awaitable[Mapping[Hashable, Loaded[S]]]]


class Aggregate(Generic[S]):
    """A handler of the commands of one kind of aggregate.

    `key(envelope)` identifies a command's aggregate; `load` reads all states in one query (a missing key means the
    decider's INITIAL); `reply` builds the reply from the state after the command. `on_events` does what else belongs
    into the transaction of a command's events, such as setting timers.
    """

    def __init__(
        self,
        decider: Decider[S],
        *,
        key: Callable[[Envelope[Any]], Hashable],
        load: Load[S],
        reply: Callable[[Envelope[Any], S, Sequence[Any], datetime], View],
        on_events: Callable[[UnitOfWork, Envelope[Any], Sequence[Any]], Awaitable[None]] | None = None,
    ) -> None:
        self._decider = decider
        self._key = key
        self._load = load
        self._reply = reply
        self._on_events = on_events

    async def __call__(self, unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
        loaded = await self._load(unit.conn, envelopes)
        states: dict[Hashable, S] = {}
        for key, found in loaded.items():
            states[key] = found.state
            unit.expect(found.stream, found.version)
        return [await self._handle(unit, envelope, states) for envelope in envelopes]

    async def _handle(self, unit: UnitOfWork, envelope: Envelope[Any], states: dict[Hashable, S]) -> bytes:
        key = self._key(envelope)
        state = states.get(key, self._decider.INITIAL)
        try:
            events = self._decider.decide(envelope.message, state, unit.now)
        except Rejected as rejected:
            return encode(rejected.as_reply())
        states[key] = state = self._evolved(state, events)
        unit.append(events, envelope)
        if self._on_events and events:
            await self._on_events(unit, envelope, events)
        return accepted_reply(self._reply(envelope, state, events, unit.now))

    def _evolved(self, state: S, events: Iterable[Any]) -> S:
        for event in events:
            state = self._decider.evolve(state, event)
        return state


def evolve_states(
    decider: Decider[S],
    stored: Mapping[K, S],
    events: Iterable[Envelope[Any]],
    key: Callable[[Envelope[Any]], K],
) -> dict[K, S]:
    """Return the stored states after the events, for read models that store the state of an aggregate."""
    states = dict(stored)
    for event in events:
        aggregate = key(event)
        states[aggregate] = decider.evolve(states.get(aggregate, decider.INITIAL), event.message)
    return states


def accepted_reply(result: object) -> bytes:
    """Return the encoded `Accepted` reply with this result."""
    return encode(Accepted(result=msgspec.Raw(encode(result))))
