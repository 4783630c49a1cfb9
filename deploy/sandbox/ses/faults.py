"""Faults that tests plant in the send call: which one, how likely, how many times."""

import random
from collections.abc import Mapping
from typing import Literal

import msgspec

FaultName = Literal["throttle", "error_500", "reject", "timeout_after_accept", "reset_after_accept", "hang"]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """A planted fault.

    `rate` is the probability per send call, `count` how many calls it may still hit (absent: no limit). Calls without
    all of `tags` are spared.
    """

    fault: FaultName
    rate: float = msgspec.field(default=1.0)
    count: int | None = None
    tags: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise ValueError("rate must be between 0 and 1")
        if self.count is not None and self.count < 1:
            raise ValueError("count must be at least 1")

    def concerns(self, tags: Mapping[str, str]) -> bool:
        return self.tags.items() <= tags.items()


class Faults:
    """The planted faults, tried in the order they were planted; the first one that strikes happens."""

    def __init__(self) -> None:
        self.planted: list[Fault] = []
        self.struck: dict[str, int] = {}

    def plant(self, fault: Fault) -> None:
        self.planted.append(fault)

    def clear(self) -> None:
        self.planted.clear()

    def draw(self, tags: Mapping[str, str]) -> FaultName | None:
        for fault in self.planted:
            if fault.concerns(tags) and random.random() < fault.rate:  # noqa: S311 - chance, not secrecy
                self._strike(fault)
                return fault.fault
        return None

    def _strike(self, fault: Fault) -> None:
        self.struck[fault.fault] = self.struck.get(fault.fault, 0) + 1
        if fault.count is None:
            return
        fault.count -= 1
        if fault.count == 0:
            self.planted.remove(fault)
