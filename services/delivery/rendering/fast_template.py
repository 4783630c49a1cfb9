"""The short way to render the commonest template: text with plain names in it. Pure.

`{{ firstName }}` and its like are nine of ten things that mails are filled with, and need no interpreter: the text is
cut at the names once, and joined with the values for each reader, as python-liquid would, at a fifth of the cost.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from liquid.stringify import to_liquid_string

NAMED = re.compile(r"\{\{ *([a-zA-Z_]\w*) *\}\}", re.ASCII)
NOT_NAMES = frozenset(
    (
        *("and", "as", "blank", "cols", "contains", "continue", "else", "empty", "false", "for", "if", "in", "limit"),
        *("nil", "not", "now", "null", "offset", "or", "required", "reversed", "today", "true", "with"),
    )
)
"""Words that mean something to Liquid."""


class Cut(msgspec.Struct, frozen=True):
    """Names, each with the text before it, and the text after the last."""

    pieces: tuple[tuple[str, str], ...]
    rest: str

    def joined(self, values: Mapping[str, Any], escape: bool) -> str:
        said: list[str] = []
        for text, name in self.pieces:
            said.append(text)
            if name in values:
                said.append(to_liquid_string(values[name], escape))
        return "".join([*said, self.rest])


def cut(source: str) -> Cut | None:
    """The template in pieces; None if there is more in it than names."""
    *pieces, rest = NAMED.split(source)
    texts, names = pieces[::2], pieces[1::2]
    if any("{{" in text or "{%" in text for text in (*texts, rest)) or not NOT_NAMES.isdisjoint(names):
        return None
    return Cut(tuple(zip(texts, names, strict=True)), rest)
