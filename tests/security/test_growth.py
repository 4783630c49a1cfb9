"""Nothing that reads what strangers wrote takes more than in proportion to its length.

Each pattern is run on text that is meant to make it slow, and on four times as much of it. Both are timed in this
process's own CPU time, the best of several runs: what is linear takes four times as long, what is quadratic sixteen.
"""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from libs.kernel.html_tags import start_tags
from libs.kernel.liquid import code_spans, data_keys_in, find_mistake, to_liquid, variables_in
from libs.schemas.delivery.content import Utm
from services.campaigns.content.markdown import html_of, is_plain
from services.delivery.rendering import fast_template
from services.delivery.rendering.plain_text import text_template
from services.delivery.rendering.utm import with_utm
from services.gateway.smtp.message_limits import MessageRefused, check_message
from tests.security.patterns import PatternAt, patterns, pumps

SIZE, TIMES = 4_000, 4
QUICK = 0.004
"""Seconds below which the clock says nothing. What takes less for the larger text is no danger."""

GROWTH = 8.0
"""The most that the larger text may cost, of what the smaller one does."""

PATTERNS = patterns()


@pytest.mark.parametrize("at", PATTERNS, ids=[at.name for at in PATTERNS])
def test_a_pattern_grows_no_faster_than_its_input(at: PatternAt) -> None:
    for pump in pumps(at.pattern):
        for ending in ("", "\x00"):
            text = pump * (TIMES * SIZE // len(pump) + 1)
            assert_linear(partial(_run, at, text, ending), repr(pump))


def assert_linear(work: Callable[[int], object], what: str) -> None:
    """Fail where TIMES the size takes more than GROWTH times as long."""
    large = _seconds(work, TIMES * SIZE)
    if large < QUICK:
        return
    small = min(_seconds(work, SIZE) for _ in range(5))
    for _ in range(4):
        if large < QUICK or large <= GROWTH * small:
            return
        large = min(large, _seconds(work, TIMES * SIZE))
    raise AssertionError(f"{what}: {small:.4f} s, and {large:.4f} s for {TIMES} times as much")


def _seconds(work: Callable[[int], object], size: int) -> float:
    started = time.process_time()
    work(size)
    return time.process_time() - started


def _run(at: PatternAt, endless: str, ending: str, size: int) -> None:
    text = endless[:size] + ending
    subject: Any = text.encode("latin-1", "replace") if isinstance(at.pattern.pattern, bytes) else text
    for method in at.methods:
        found = getattr(at.pattern, method)(subject)
        if method == "finditer":
            deque(found, 0)


PARSERS: dict[str, Callable[[str], object]] = {
    "liquid.find_mistake": find_mistake,
    "liquid.to_liquid": to_liquid,
    "liquid.variables_in": variables_in,
    "liquid.data_keys_in": data_keys_in,
    "liquid.code_spans": lambda text: list(code_spans(text)),
    "html_tags.start_tags": lambda text: list(start_tags(text)),
    "markdown.html_of": html_of,
    "markdown.is_plain": is_plain,
    "plain_text.text_template": text_template,
    "utm.with_utm": lambda text: with_utm(text, Utm(source="s", medium="m", campaign="c")),
    "fast_template.parse": fast_template.parse,
    "message_limits.check_message": lambda text: _check_mime(text),
}
"""What reads a text of strangers, beside single patterns."""

MULTIPART = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"


def _check_mime(text: str) -> None:
    """The text as the content of a message, in lines that are not refused for their length."""
    lines = b"\r\n".join(text[at : at + 900].encode() for at in range(0, len(text), 900))
    with suppress(MessageRefused):
        check_message(MULTIPART + lines)


PIECES = (
    *("--x\r\n", "--x\r\n\r\n", "\n--", "--x--\n", "Content-Type: message/rfc822\r\n\r\n", "boundary=", "\r"),
    *("{", "}", "{{", "{%", "{{ a", "{% if a %}", "{% raw %}", "{{ a | upcase }}", "{{ 'a", "{{ a ?? "),
    *("<", "<a", "<a ", "<a href=", '<a href="', '<a href="https://x', "<!--", "<![", "<!", "</", "<p>", "&", "&#"),
    *("[", "![", "](", "*", "_", "**a", "`", "> ", "- ", "1. ", "#", "\n", " ", "\\", "a", '"', "'", "@", "http://"),
    *("<a href='https://x?a=", "<style>", "<title", "\t", "\u00e9", "((", "[a](", "~", "|", "--", "=\n"),
)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("parser", PARSERS)
def test_a_parser_grows_no_faster_than_its_input(parser: str, piece: str) -> None:
    endless = piece * (TIMES * SIZE // len(piece) + 1)
    assert_linear(lambda size: PARSERS[parser](endless[:size]), repr(piece))
