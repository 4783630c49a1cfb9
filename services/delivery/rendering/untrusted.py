"""Turns what anybody may have written, with a public key, into plain text before it is put into a mail. Pure.

A stranger who chooses a first name must not be able to put a link, a paragraph or markup of theirs into a mail that
somebody else receives from the project's domain. Values keep their text, so "3.50" and "O'Brien" are what they were.
"""

import re
from collections.abc import Collection
from typing import Any

from libs.schemas.base import Data

MAX_LENGTH = 200
"""Characters of a value that a mail shows."""

WORD_JOINER = "\u2060"
"""Has no width and allows no line break, but no mail client takes a word that contains it for an address."""

_ADDRESS_SIGN = re.compile(r"(?<=\w)(\.(?=[^\W\d])|@|:(?=//))")
_BRACKETS = str.maketrans({"<": "\u2039", ">": "\u203a"})


def with_plain(data: Data, keys: Collection[str]) -> Data:
    """Return the data with the values of these keys as plain text."""
    return {key: plain(value) if key in keys else value for key, value in data.items()} if keys else data


def plain(value: Any) -> Any:
    """Return the value with every text in it on one line, bounded, without markup, and with no address to click on."""
    match value:
        case str():
            return _plain_text(value)
        case list():
            return [plain(each) for each in value]
        case dict():
            return {_plain_text(key): plain(each) for key, each in value.items()}
        case _:
            return value


def _plain_text(text: str) -> str:
    visible = "".join(c if c.isprintable() else " " for c in text[: 2 * MAX_LENGTH])
    line = " ".join(visible.split())[:MAX_LENGTH].translate(_BRACKETS)
    return _ADDRESS_SIGN.sub(rf"\1{WORD_JOINER}", line)
