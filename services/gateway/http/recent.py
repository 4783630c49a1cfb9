"""Answers that are still good: what a service was asked a moment ago need not be asked again."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Values by key, each for `seconds`; the oldest make room for new ones beyond `most`."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._values: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        until, value = self._values.get(key, (0.0, None))
        return value if time.monotonic() < until else None

    def keep(self, key: Hashable, value: V) -> None:
        self._values[key] = time.monotonic() + self._seconds, value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)
