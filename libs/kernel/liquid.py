"""The syntax of templates: Liquid, with `{{ name ?? default }}`, `{{ first name }}`, and what HTML editors escape.

Campaigns parses templates when they are saved, so that an author learns of a mistake with its line and column, and not
a recipient; delivery renders them. Both mean the same language by this module. Nothing is rendered here.
"""

import html
import re
from collections.abc import Sequence
from itertools import takewhile

import msgspec
from liquid import Environment
from liquid.exceptions import LiquidError

# These load other templates, which mails have none of.
LOADING_TAGS = ("include", "render", "extends", "block", "macro", "call", "import")

# The parser takes time in proportion to the square of what is never closed, and of the length of one expression.
MAX_EXPRESSION = 4000
MAX_EXPRESSIONS = 5000

_OPENING = re.compile(r"\{\{|\{%-?\s*(?P<verbatim>raw|doc)\s*-?%\}|\{%")
_CLOSING = {
    "{{": re.compile(r"\}\}"),
    "{%": re.compile(r"%\}"),
    "raw": re.compile(r"\{%-?\s*endraw\s*-?%\}"),
    "doc": re.compile(r"\{%-?\s*enddoc\s*-?%\}"),
}
_CODE = re.compile(r"\{\{-?(?P<output>[^{}]*?)-?\}\}|\{%[^{}]*?%\}")
_SPACED_NAME = re.compile(r"\s*[^\W\d][\w-]*(?: +[\w-]+)+\s*")
_LITERAL = re.compile(r"""\s*("[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|true|false)\s*(\|.*)?""", re.DOTALL)


class TemplateMistake(msgspec.Struct, frozen=True):
    """Why a template cannot be parsed, and where; `line` and `column` count from 1."""

    message: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"Line {self.line}, column {self.column}: {self.message}"


def _environment() -> Environment:
    environment = Environment()
    for tag in LOADING_TAGS:
        environment.tags.pop(tag, None)
    return environment


_ENVIRONMENT = _environment()


def find_mistake(text: str) -> TemplateMistake | None:
    """The first mistake of a template, or None. Unknown filters are mistakes as unknown tags are."""
    if not _OPENING.search(text):  # plain words
        return None
    if unbounded := _unbounded(text):
        return unbounded
    plain = to_liquid(text)
    try:
        template = _ENVIRONMENT.from_string(plain)
        unknown = [
            (spans[0].index, name)
            for name, spans in template.analyze().filters.items()
            if name not in _ENVIRONMENT.filters
        ]
    except LiquidError as error:
        return _mistake(text, _original(text, _index_of(error, plain)), str(error.args[0]))
    except RecursionError:
        return _mistake(text, 0, "expressions are nested too deeply")
    if unknown:
        index, name = min(unknown)
        return _mistake(text, _original(text, index), f"unknown filter '{name}'")
    return None


def variables_in(text: str) -> list[str]:
    """The names that a template asks for, such as `firstName` or `order.total`, sorted. What it makes itself is left
    out; what cannot be parsed asks for nothing."""
    try:
        asked = _ENVIRONMENT.from_string(to_liquid(text)).analyze().globals
    except (LiquidError, RecursionError):
        return []
    return sorted({_dotted(variable.segments) for variables in asked.values() for variable in variables})


def to_liquid(text: str) -> str:
    """The template as plain Liquid.

    `{{ name ?? default }}` becomes a default filter, `{{ first name }}` a look-up of that key, and what an HTML editor
    escaped inside of delimiters is unescaped.
    """
    return _CODE.sub(_plain_code, text)


def _unbounded(text: str) -> TemplateMistake | None:
    """The first output or tag that is never closed, is too long, or is one too many."""
    place = count = 0
    while opening := _OPENING.search(text, place):
        verbatim = opening["verbatim"]
        closing = _CLOSING[verbatim or opening.group()].search(text, opening.end())
        if closing is None:
            return _mistake(text, opening.start(), f"'{opening.group()}' is never closed")
        if not verbatim and closing.start() - opening.end() > MAX_EXPRESSION:
            return _mistake(text, opening.start(), f"longer than {MAX_EXPRESSION} characters")
        if (count := count + 1) > MAX_EXPRESSIONS:
            return _mistake(text, opening.start(), f"more than {MAX_EXPRESSIONS} tags and expressions")
        place = closing.end()
    return None


def _plain_code(match: re.Match[str]) -> str:
    code = html.unescape(match[0])
    output = match["output"]
    if output is None or not ("??" in output or _SPACED_NAME.fullmatch(output)):
        return code
    opening, closing = ("{{-" if code[2] == "-" else "{{"), ("-}}" if code[-3] == "-" else "}}")
    name, questioned, default = html.unescape(output).partition("??")
    return f"{opening} {_name(name)}{_default(default) if questioned else ''} {closing}"


def _name(name: str) -> str:
    return f'["{name.strip()}"]' if _SPACED_NAME.fullmatch(name) else name.strip()


def _default(default: str) -> str:
    """The default filter; false stays false. What is not written as a literal is meant as text."""
    if literal := _LITERAL.fullmatch(default):
        return f" | default: {literal[1]}, allow_false: true {literal[2] or ''}"
    quote = "'" if '"' in default else '"'
    return f" | default: {quote}{default.strip()}{quote}, allow_false: true"


def _dotted(segments: Sequence[object]) -> str:
    """A path as it is written, as far as it is fixed: an index, or a name that is another variable's, ends it."""
    return ".".join(str(segment) for segment in takewhile(lambda segment: isinstance(segment, str), segments))


def _index_of(error: LiquidError, plain: str) -> int:
    """Where the error is. The parser gives no place to an expression that ends too early, or a block never closed."""
    if error.token is not None and error.token.start_index >= 0:
        return error.token.start_index
    alone = (code.start() for code in _CODE.finditer(plain) if code["output"] is not None and not _parses(code[0]))
    return next(alone, len(plain))


def _parses(text: str) -> bool:
    try:
        _ENVIRONMENT.from_string(text)
    except LiquidError:
        return False
    return True


def _mistake(text: str, index: int, message: str) -> TemplateMistake:
    before = text[:index]
    return TemplateMistake(
        message=message, line=before.count("\n") + 1, column=len(before) - (before.rfind("\n") + 1) + 1
    )


def _original(text: str, index: int) -> int:
    """The place in what the author wrote of a place in what was parsed."""
    grown = 0
    for match in _CODE.finditer(text):
        start, plain = match.start() + grown, _plain_code(match)
        if start > index:
            break
        if start <= index < start + len(plain) and plain != match[0]:
            return match.start()
        grown += len(plain) - len(match[0])
    return index - grown


def data_keys_in(text: str) -> set[str]:
    """The keys of a contact's data that a template names, at the top or under `data`; none if it has a mistake."""
    try:
        found = _ENVIRONMENT.from_string(to_liquid(text)).analyze().globals.values()
    except (LiquidError, RecursionError):
        return set()
    paths = [variable.segments for variables in found for variable in variables]
    return {key for path in paths if (key := _key_at(path)) is not None}


def _key_at(path: Sequence[object]) -> str | None:
    """The key of the data that a path begins with; None where it is computed: `data[key]`."""
    key = path[1] if path[0] == "data" and len(path) > 1 else path[0]
    return key if isinstance(key, str) else None
