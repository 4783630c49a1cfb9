"""Messages to JSON and back, by their tags."""

from collections.abc import Iterable
from functools import cache
from string import Formatter
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
    return "".join([f"{text}{getattr(event, field) if field else ''}" for text, field in _pattern(type(event))])


@cache
def _pattern(kind: type[Event]) -> list[tuple[str, str | None]]:
    """The pattern of the streams, read once: pieces of text, each with the name of the field that comes after it."""
    return [(text, field) for text, field, _, _ in Formatter().parse(kind.stream)]
