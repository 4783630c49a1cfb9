"""Renders templates: Liquid with Plunk's `{{ name ?? default }}`, limited so that no template can exhaust a process.

Values are never evaluated as templates, and are escaped in HTML. python-liquid limits loops, output and memory; this
module limits the rest: filters that multiply their input, ranges that become lists, and time.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError, LoopIterationLimitError, ResourceLimitError

from libs.kernel.liquid import LOADING_TAGS, TemplateMistake, find_mistake, to_liquid
from services.delivery.rendering import fast_template, template_cost
from services.delivery.rendering.fast_template import FastTemplate

MAX_LOOPS = 10_000
MAX_OUTPUT = 2_000_000
MAX_MEMORY = 4_000_000
MAX_FILTERED = 20_000_000
MAX_DEPTH = 30
MAX_SECONDS = 1.0
CACHED, MAX_CACHED = 128, 100_000
MAX_CHECKED = 20_000
"""The longest template whose check is cached: requests to send repeat the same text over and over."""

MULTIPLYING = frozenset({"replace", "replace_first", "replace_last", "join"})


class BadTemplate(Exception):
    """Raised when a template cannot be parsed; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


class Unrenderable(Exception):
    """Raised when a template cannot be rendered with these values."""


class _Deadline(threading.local):
    at = float("inf")


_deadline = _Deadline()


class _Limited(Environment):
    loop_iteration_limit = MAX_LOOPS
    output_stream_limit = MAX_OUTPUT
    local_namespace_limit = MAX_MEMORY
    context_depth_limit = MAX_DEPTH


def check(source: str) -> None:
    """Raise BadTemplate if the template cannot be parsed."""
    if mistake := _checked(source) if len(source) <= MAX_CHECKED else find_mistake(source):
        raise BadTemplate(mistake.message, mistake.line, mistake.column)


@lru_cache(maxsize=CACHED)
def _checked(source: str) -> TemplateMistake | None:
    return find_mistake(source)


def is_cheap(source: str) -> bool:
    """Return whether rendering the template is cheap whatever it is given; what cannot be parsed costs nothing."""
    return _is_cheap(source) if len(source) <= MAX_CACHED else _judge(source)


@lru_cache(maxsize=CACHED)
def _is_cheap(source: str) -> bool:
    return _judge(source)


def _judge(source: str) -> bool:
    try:
        template = _parse(source, False)
    except (LiquidError, RecursionError, ValueError):
        return True
    return isinstance(template, FastTemplate) or template_cost.is_cheap(template)


def render_html(source: str, values: Mapping[str, Any]) -> str:
    """Render the body of a mail, with values escaped. Raise Unrenderable."""
    return _render(source, values, True)


def render_text(source: str, values: Mapping[str, Any]) -> str:
    """Render plain text, with values as they are. Raise Unrenderable."""
    return _render(source, values, False)


def render_line(source: str, values: Mapping[str, Any]) -> str:
    """Render one line of plain text, such as a subject: line breaks in values become spaces. Raise Unrenderable."""
    return " ".join(_render(source, values, False).split())


def _render(source: str, values: Mapping[str, Any], escape: bool) -> str:
    _deadline.at = time.monotonic() + MAX_SECONDS
    try:
        template = _parse(source, escape)
        return _rendered(template, values, escape)
    except (LiquidError, RecursionError, ArithmeticError, MemoryError, TypeError, ValueError) as error:
        raise Unrenderable(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
    finally:
        _deadline.at = float("inf")


def _rendered(template: BoundTemplate | FastTemplate, values: Mapping[str, Any], escape: bool) -> str:
    if isinstance(template, FastTemplate):
        return template.render(values, escape, MAX_OUTPUT)
    return template.render(values)


def _parse(source: str, escape: bool) -> BoundTemplate | FastTemplate:
    """Parse a campaign's template once. Large templates are not cached: parsing them costs less than the memory."""
    return _kept(source, escape) if len(source) <= MAX_CACHED else _parsed(source, escape)


@lru_cache(maxsize=CACHED)
def _kept(source: str, escape: bool) -> BoundTemplate | FastTemplate:
    return _parsed(source, escape)


def _parsed(source: str, escape: bool) -> BoundTemplate | FastTemplate:
    return fast_template.parse(source) or (_HTML if escape else _PLAIN).from_string(to_liquid(source))


def _guarded(name: str, filter_: Callable[..., object]) -> Callable[..., object]:
    """Return the filter with limits on its time, its ranges and the size of its result."""

    @wraps(filter_)
    def guarded(value: object, *args: object, **kwargs: object) -> object:
        if time.monotonic() > _deadline.at:
            raise ResourceLimitError("the template takes too long to render", token=None)
        if isinstance(value, range) and len(value) > MAX_LOOPS:
            raise LoopIterationLimitError("the range is too long", token=None)
        if name in MULTIPLYING and _size(value) * max(1, sum(map(_size, args))) > MAX_FILTERED:
            raise ResourceLimitError(f"{name} would produce too much output", token=None)
        return filter_(value, *args, **kwargs)

    return guarded


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple | range) else 20


def _environment(escape: bool) -> Environment:
    environment = _Limited(autoescape=escape, strict_filters=False)
    for tag in LOADING_TAGS:
        environment.tags.pop(tag, None)
    for name, filter_ in list(environment.filters.items()):
        environment.filters[name] = _guarded(name, filter_)
    return environment


_HTML, _PLAIN = _environment(True), _environment(False)
