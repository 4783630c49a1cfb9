"""Messages to JSON and back, by their tags."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Generic, TypeVar, Union

import msgspec

from libs.schemas.base import Event, Message

M = TypeVar("M", bound=Message)

encode = msgspec.json.Encoder().encode


@cache
def tag_of(kind: type[Message]) -> str:
    """The name of a message on the wire: `save-contact`, `contact.created`."""
    tag = kind.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{kind.__name__} has no tag, so it cannot cross the bus")
    return tag


class Codec(Generic[M]):
    """Decodes any one of `kinds` by its tag; raises `msgspec.ValidationError` for every other message."""

    def __init__(self, kinds: Iterable[type[M]]) -> None:
        self.kinds = {tag_of(kind): kind for kind in kinds}
        union: Any = Union[tuple(self.kinds.values())] if self.kinds else None  # noqa: UP007 - built at run time
        self._decoder: msgspec.json.Decoder[M] = msgspec.json.Decoder(union)

    def decode(self, body: bytes | str) -> M:
        return self._decoder.decode(body)


def stream_of(event: Event) -> str:
    """The stream that the event is appended to, such as `contact-<id>`."""
    return event.stream.format_map(_Fields(event))


class _Fields(dict[str, Any]):
    """Lets a stream pattern name the event's fields."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self._event = event

    def __missing__(self, field: str) -> Any:
        return getattr(self._event, field)
