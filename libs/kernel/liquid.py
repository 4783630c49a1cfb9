"""The syntax of templates: Liquid with `{{ name ?? default }}`, `{{ first name }}` and escaping by HTML editors.

Campaigns parses templates when they are saved, so that the author sees a mistake with its line and column before a
recipient does; delivery renders them. Both use this module, so they agree on the language. It renders nothing.
"""

import html
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import takewhile

import msgspec
from liquid import Environment
from liquid.exceptions import LiquidError

# Tags that load other templates. Mails have no other templates.
LOADING_TAGS = ("include", "render", "extends", "block", "macro", "call", "import")

# The parser's time is quadratic in the number of unclosed tags and in the length of an expression.
MAX_EXPRESSION = 4000
MAX_EXPRESSIONS = 5000

_OPENING = re.compile(r"\{\{|\{%-?\s*(?P<verbatim>raw|doc)\s*-?%\}|\{%")
_CLOSING = {
    "{{": re.compile(r"\}\}"),
    "{%": re.compile(r"%\}"),
    "raw": re.compile(r"\{%-?\s*endraw\s*-?%\}"),
    "doc": re.compile(r"\{%-?\s*enddoc\s*-?%\}"),
}
_OPENS = re.compile(r"\{\{|\{%")
_CLOSES = {"{{": "}}", "{%": "%}"}
_CODE = re.compile(r"\{\{-?(?P<output>[^{}]*?)-?\}\}|\{%[^{}]*?%\}")
_SPACED_NAME = re.compile(r"\s*[^\W\d][\w-]*(?: +[\w-]+)+\s*")
_LITERAL = re.compile(r"""\s*("[^"]*"|'[^']*'|-?\d+(?:\.\d+)?|true|false)\s*(\|.*)?""", re.DOTALL)


class TemplateMistake(msgspec.Struct, frozen=True):
    """The reason why a template cannot be parsed, and its position. `line` and `column` count from 1."""

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
    """Return the first mistake of a template, or None. An unknown filter is a mistake, as is an unknown tag."""
    if not _OPENING.search(text):  # plain text
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
    """Return the sorted names of a template's variables, such as `firstName` or `order.total`.

    Variables that the template assigns itself are left out. A template with a mistake has none.
    """
    if _unbounded(text):
        return []
    try:
        found = _ENVIRONMENT.from_string(to_liquid(text)).analyze().globals
    except (LiquidError, RecursionError):
        return []
    return sorted({_dotted(variable.segments) for variables in found.values() for variable in variables})


def to_liquid(text: str) -> str:
    """Return the template as plain Liquid.

    `{{ name ?? default }}` becomes a default filter and `{{ first name }}` a look-up of that key. Entities that an HTML
    editor wrote inside delimiters are unescaped.
    """
    return _CODE.sub(_plain_code, text)


def code_spans(text: str, openers: Collection[str] = ("{{", "{%")) -> Iterator[tuple[int, int]]:
    """Yield where each output and tag begins and ends, in order. What is never closed is text.

    Takes time in proportion to the text: a pattern such as `{{.*?}}` looks for the end again from each beginning.
    """
    closable = set(openers)
    at = 0
    while closable and (opening := _OPENS.search(text, at)):
        at = opening.start() + 1
        if opening[0] not in closable:
            continue
        closing = text.find(_CLOSES[opening[0]], opening.end())
        if closing < 0:
            closable.remove(opening[0])
        else:
            yield opening.start(), closing + 2
            at = closing + 2


def replace_code(text: str, replacement: Callable[[str], str], openers: Collection[str] = ("{{", "{%")) -> str:
    """Return the text with each output and tag replaced."""
    parts, at = [], 0
    for start, end in code_spans(text, openers):
        parts += [text[at:start], replacement(text[start:end])]
        at = end
    return "".join([*parts, text[at:]])


def _unbounded(text: str) -> TemplateMistake | None:
    """Return the first output or tag that is never closed, is too long, or exceeds the allowed number."""
    position = count = 0
    while opening := _OPENING.search(text, position):
        verbatim = opening["verbatim"]
        closing = _CLOSING[verbatim or opening.group()].search(text, opening.end())
        if closing is None:
            return _mistake(text, opening.start(), f"'{opening.group()}' is never closed")
        if not verbatim and closing.start() - opening.end() > MAX_EXPRESSION:
            return _mistake(text, opening.start(), f"tag or expression is longer than {MAX_EXPRESSION} characters")
        if (count := count + 1) > MAX_EXPRESSIONS:
            return _mistake(text, opening.start(), f"template has more than {MAX_EXPRESSIONS} tags and expressions")
        position = closing.end()
    return None


def _plain_code(match: re.Match[str]) -> str:
    code = html.unescape(match[0])
    output = match["output"]
    if output is None or not ("??" in output or _SPACED_NAME.fullmatch(output)):
        return code
    opening, closing = ("{{-" if code[2] == "-" else "{{"), ("-}}" if code[-3] == "-" else "}}")
    name, operator, default = html.unescape(output).partition("??")
    return f"{opening} {_name(name)}{_default(default) if operator else ''} {closing}"


def _name(name: str) -> str:
    return f'["{name.strip()}"]' if _SPACED_NAME.fullmatch(name) else name.strip()


def _default(default: str) -> str:
    """Return the default filter. False stays false, and a default that is not a literal is text."""
    if literal := _LITERAL.fullmatch(default):
        return f" | default: {literal[1]}, allow_false: true {literal[2] or ''}"
    quote = "'" if '"' in default else '"'
    return f" | default: {quote}{default.strip()}{quote}, allow_false: true"


def _dotted(segments: Sequence[object]) -> str:
    """Return a path up to its first segment that is not a fixed name: an index, or the value of another variable."""
    return ".".join(str(segment) for segment in takewhile(lambda segment: isinstance(segment, str), segments))


def _index_of(error: LiquidError, plain: str) -> int:
    """Return the position of an error. The parser has none for an expression that ends early or an unclosed block."""
    if error.token is not None and error.token.start_index >= 0:
        return error.token.start_index
    invalid = (code.start() for code in _CODE.finditer(plain) if code["output"] is not None and not _parses(code[0]))
    return next(invalid, len(plain))


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
    """Return the position in the author's text for a position in the plain Liquid."""
    shift = 0
    for match in _CODE.finditer(text):
        start, plain = match.start() + shift, _plain_code(match)
        if start > index:
            break
        if start <= index < start + len(plain) and plain != match[0]:
            return match.start()
        shift += len(plain) - len(match[0])
    return index - shift


def data_keys_in(text: str) -> set[str]:
    """Return the keys of a contact's data that a template may use, at the top or under `data`.

    `{{ utm.source }}` may use the keys `utm` and `utm.source`. A template with a mistake uses none.
    """
    if _unbounded(text):
        return set()
    try:
        found = _ENVIRONMENT.from_string(to_liquid(text)).analyze().globals.values()
    except (LiquidError, RecursionError):
        return set()
    paths = [variable.segments for variables in found for variable in variables]
    return {key for path in paths for key in _keys_at(path)}


def _keys_at(path: Sequence[object]) -> Iterator[str]:
    """Yield the data keys that a path may start with; none if it is computed: `data[key]`."""
    inside = path[1:] if path[0] == "data" and len(path) > 1 else path
    names = [str(name) for name in takewhile(lambda name: isinstance(name, str), inside)]
    yield from (".".join(names[:length]) for length in range(1, len(names) + 1))
