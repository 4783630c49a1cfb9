"""The start tags of an HTML text, in one pass.

As the tokenizer of the HTML standard (13.2.5) does, it never goes back: what is read is read, so the time it takes is
in proportion to the text, whatever that is. Attributes' values are passed over.
"""

import re
from collections.abc import Iterator

import msgspec

_OPENS = re.compile(r"<(?:(?P<name>[a-zA-Z][^\s/>]*)|(?P<comment>!--)|[/!?])")
_NAME = re.compile(r"=?[^\s/>=]*")
_EQUALS = re.compile(r"\s*=\s*")
_SPACES = re.compile(r"[\s/]*")
_UNQUOTED = re.compile(r"[^\s>]*")


class StartTag(msgspec.Struct, frozen=True):
    """A start tag: its name and the names of its attributes, all in lower case."""

    name: str
    attributes: tuple[str, ...]


def start_tags(text: str) -> Iterator[StartTag]:
    """Yield the start tags in order. Comments, end tags and declarations are passed over, and so is a tag that never
    ends."""
    at = 0
    while opening := _OPENS.search(text, at):
        if opening["comment"]:
            at = _after(text, "-->", opening.end())
        elif opening["name"]:
            attributes, at = _attributes(text, opening.end())
            if attributes is None:
                return
            yield StartTag(opening["name"].lower(), attributes)
        else:
            at = _after(text, ">", opening.end())


def _attributes(text: str, at: int) -> tuple[tuple[str, ...] | None, int]:
    """The names of a tag's attributes, and the place behind its end. None where it never ends."""
    names: list[str] = []
    while True:
        at = _end(_SPACES, text, at)
        if at >= len(text):
            return None, at
        if text[at] == ">":
            return tuple(names), at + 1
        name = _NAME.match(text, at)
        assert name
        names.append(name[0].lower())
        at = _after_value(text, name.end())


def _after_value(text: str, at: int) -> int:
    """The place behind the value of an attribute, or where there is none, behind its name."""
    equals = _EQUALS.match(text, at)
    if not equals:
        return at
    at = equals.end()
    if text[at : at + 1] in ('"', "'") and at < len(text):
        return _after(text, text[at], at + 1)
    return _end(_UNQUOTED, text, at)


def _after(text: str, what: str, at: int) -> int:
    """The place behind the next `what`; the end of the text where there is none."""
    found = text.find(what, at)
    return len(text) if found < 0 else found + len(what)


def _end(pattern: "re.Pattern[str]", text: str, at: int) -> int:
    found = pattern.match(text, at)
    assert found
    return found.end()
