"""Encoding of messages as JSON, and decoding by their tags."""

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
    """Return the name of a message on the wire: `save-contact`, `contact.created`."""
    tag = kind.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{kind.__name__} has no tag, so it cannot cross the bus")
    return tag


class Codec(Generic[M]):
    """A decoder of the messages in `kinds`, by tag. It raises `msgspec.ValidationError` for any other message."""

    def __init__(self, kinds: Iterable[type[M]]) -> None:
        self.kinds = {tag_of(kind): kind for kind in kinds}
        union: Any = Union[tuple(self.kinds.values())] if self.kinds else None  # noqa: UP007 - built at run time
        self._decoder: msgspec.json.Decoder[M] = msgspec.json.Decoder(union)

    def decode(self, body: bytes | str) -> M:
        return self._decoder.decode(body)


def stream_of(event: Event) -> str:
    """Return the stream that the event is appended to, such as `contact-<id>`."""
    return "".join([f"{text}{getattr(event, field) if field else ''}" for text, field in _pattern(type(event))])


@cache
def _pattern(kind: type[Event]) -> list[tuple[str, str | None]]:
    """Return the parsed stream pattern: pieces of text, each with the name of the field that follows."""
    return [(text, field) for text, field, _, _ in Formatter().parse(kind.stream)]
