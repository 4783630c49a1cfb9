"""Every regular expression of the product, and text that is meant to make it slow."""

import importlib
import pkgutil
import re
import re._parser as re_parser  # type: ignore[import-not-found] # what re itself reads patterns with
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import libs
import services

METHODS = ("fullmatch", "match", "search", "finditer")
"""What a pattern can be used for; `sub`, `split` and `findall` go over a text as `finditer` does."""


class PatternAt(NamedTuple):
    """A pattern, where it is, and what it is used for there."""

    name: str
    pattern: "re.Pattern[Any]"
    methods: tuple[str, ...]


def patterns() -> list[PatternAt]:
    """All patterns that modules of the product hold."""
    found: dict[int, PatternAt] = {}
    for package in (libs, services):
        for found_module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found_module.name.endswith("__main__"):
                continue
            importlib.import_module(found_module.name)
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in ("libs", "services"):
            for variable, value in vars(module).items():
                for pattern in _held(value):
                    found.setdefault(id(pattern), PatternAt(f"{name}.{variable}", pattern, _uses(module, variable)))
    return list(found.values())


def _held(value: object) -> Iterator["re.Pattern[Any]"]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _held(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _held(each)


def _uses(module: ModuleType, variable: str) -> tuple[str, ...]:
    """The methods that its module calls on the pattern; all of them where that cannot be seen."""
    source = Path(str(module.__file__)).read_text()
    called = set(re.findall(rf"\b{variable}\.(\w+)\(", source))
    used = {"finditer" if method in ("sub", "subn", "split", "findall") else method for method in called}
    return tuple(method for method in METHODS if method in used) or METHODS


def pumps(pattern: "re.Pattern[Any]") -> list[str]:
    """Pieces that, repeated, keep the pattern busy: each character it looks for, pairs of them, and one whole match."""
    tree = re_parser.parse(_text(pattern.pattern), pattern.flags & ~re.DEBUG)
    samples = list(dict.fromkeys(sample for sample in _samples(tree) if sample))
    whole = "".join(samples)
    pairs = [a + b for a in samples[:8] for b in samples[:8] if a != b]
    return [pump for pump in dict.fromkeys([*samples, whole, whole[:-1], *pairs, " ", "a", "0"]) if pump]


def _text(source: str | bytes) -> str:
    return source.decode("latin-1") if isinstance(source, bytes) else source


def _samples(tree: Any) -> Iterator[str]:
    """One character, or a run, for each part of the pattern."""
    for operation, argument in tree:
        name = str(operation)
        if name == "LITERAL":
            yield chr(argument)
        elif name in ("NOT_LITERAL", "ANY"):
            yield "b"
        elif name == "IN":
            yield _member(argument)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield from _samples(argument[2])
        elif name in ("SUBPATTERN",):
            yield from _samples(argument[3])
        elif name == "ATOMIC_GROUP":
            yield from _samples(argument)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _samples(branch)
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from _samples(argument[1])


CATEGORY = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "w"}


def _member(items: Any) -> str:
    negated = str(items[0][0]) == "NEGATE"
    if negated:
        excluded = {chr(value) for kind, value in items[1:] if str(kind) == "LITERAL"}
        return next(character for character in "b x1<{" if character not in excluded)
    kind, value = items[0]
    if str(kind) == "LITERAL":
        return chr(value)
    if str(kind) == "RANGE":
        return chr(value[0])
    return CATEGORY.get(str(value), "b")
