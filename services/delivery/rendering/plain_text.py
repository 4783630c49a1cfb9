"""Makes the plain-text part of a mail from its HTML. Pure.

The template is converted rather than each mail, so all recipients of a campaign share the conversion and a mail only
pays for its own values. Liquid passes through unchanged; Liquid tags that HTML hides (in a style, an attribute or a
comment) stay in place, so that conditions remain balanced.

Every step takes linear time on any input. (`html.parser` takes twice as long, and quadratic time on hostile input.)
"""

import html
import re
from functools import lru_cache

MAX_CACHED = 100_000

MARKUP = re.compile(r"<[a-zA-Z/!?]")
# No part of a tag may contain another "<", so an attempt to match one ends where the next begins.
TAG = re.compile(r'<([a-zA-Z/!?](?:[^<>"]++|"[^"<]*+")*+)>')
NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9]*")
HREF = re.compile(r"""\bhref ?= ?(?:"([^"]*)"|'([^']*)'|([^ "'>]+))""", re.IGNORECASE)
ALT = re.compile(r"""\balt ?= ?(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
LIQUID_OPENS = re.compile(r"\{\{|\{%")
LIQUID_CLOSES = {"{{": "}}", "{%": "%}"}
INVISIBLE_OPENS = re.compile(r"<!--|<(?:script|style|title|template)\b", re.IGNORECASE)
INVISIBLE_CLOSES = {"<!--": re.compile("-->")} | {
    f"<{name}": re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "title", "template")
}
HIDDEN = re.compile("\ue000([0-9]+)\ue001")
AROUND_BREAK = re.compile(" ?\ue002 ?")
GAPS = re.compile(r"\n{3,}")

BREAK, PARAGRAPH = "\ue002", "\n\ue003\n"
MARKS = re.compile("[\ue000-\ue003]")
"""Private-use characters of Unicode that serve as marks in this module."""

PARAGRAPHS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr", "form")
LINES = (
    *("address", "article", "aside", "body", "caption", "center", "dd", "div", "dl", "dt", "figcaption", "figure"),
    *("footer", "header", "html", "main", "nav", "option", "section", "tbody", "tfoot", "thead", "tr"),
)
BREAKS = {"br": BREAK, "/br": BREAK, "li": "\n- ", "td": " ", "th": " "}
BREAKS |= {f"{slash}{name}": "\n" for name in LINES for slash in ("", "/")}
BREAKS |= {f"{slash}{name}": PARAGRAPH for name in PARAGRAPHS for slash in ("", "/")}
USELESS_LINKS = ("#", "javascript:", "data:")


def is_markup(body: str) -> bool:
    """Return whether the text is HTML rather than plain text."""
    return MARKUP.search(body) is not None


def text_template(body: str) -> str:
    """Return the template of the plain text for a template of HTML."""
    return _cached(body) if len(body) <= MAX_CACHED else _converted(body)


def tidied(text: str) -> str:
    """Return rendered text without the gaps that empty values and loops leave."""
    return GAPS.sub("\n\n", text).strip() if "\n\n\n" in text else text.strip()


@lru_cache(maxsize=128)
def _cached(body: str) -> str:
    return _converted(body)


def _converted(body: str) -> str:
    if not is_markup(body):
        return html.unescape(body)
    source, liquid = _without_liquid(MARKS.sub("", body))
    text = _laid_out(html.unescape(_text_of(_without_invisible(source, liquid), liquid)))
    return HIDDEN.sub(lambda place: liquid[int(place[1])], text)


def _laid_out(text: str) -> str:
    """Return the lines without what HTML does not show: repeated spaces, and lines that only end blocks."""
    lines = [" ".join(line.split()) for line in text.split("\n")]
    shown = "\n".join("" if line == PARAGRAPH[1] else line for line in lines if line)
    return GAPS.sub("\n\n", AROUND_BREAK.sub("\n", shown)).strip()


def _without_liquid(body: str) -> tuple[str, list[str]]:
    """Return the HTML with a mark for each piece of Liquid, and the pieces. White space becomes single spaces."""
    pieces: list[str] = []
    kept: list[str] = []
    at = 0
    while opening := LIQUID_OPENS.search(body, at):
        closing = body.find(LIQUID_CLOSES[opening[0]], opening.end())
        if closing < 0:
            break
        kept += [body[at : opening.start()], f"\ue000{len(pieces)}\ue001"]
        at = closing + 2
        pieces.append(body[opening.start() : at])
    return " ".join("".join([*kept, body[at:]]).split()), pieces


def _without_invisible(source: str, liquid: list[str]) -> str:
    """Remove comments, scripts, styles and the title, except for Liquid tags in them."""
    kept: list[str] = []
    at = 0
    while opening := INVISIBLE_OPENS.search(source, at):
        closing = INVISIBLE_CLOSES[opening[0].lower()].search(source, opening.end())
        end = closing.end() if closing else len(source)
        kept += [source[at : opening.start()], _conditions(source[opening.start() : end], liquid)]
        at = end if opening[0] == "<!--" else source.find(">", end) + 1 or len(source)
    return "".join([*kept, source[at:]])


def _text_of(source: str, liquid: list[str]) -> str:
    """Return the text between the tags, with breaks for blocks, and the URLs of links after their labels."""
    parts = TAG.split(source)
    out = [parts[0]]
    link, start = "", 0
    for tag, text in zip(parts[1::2], parts[2::2], strict=True):
        name = found[0].lower() if (found := NAME.match(tag)) else ""
        if name in ("a", "/a"):
            out.append(_url(link, out[start:], liquid))
            link, start = _link(tag, liquid, out), len(out)
        elif name == "img" and (alt := ALT.search(tag)):
            out += [_conditions(tag.replace(alt[0], ""), liquid), alt[1] or alt[2] or ""]
        elif "\ue000" in tag:
            out.append(_conditions(tag, liquid))
        out += [BREAKS.get(name, ""), text]
    out.append(_url(link, out[start:], liquid))
    return "".join(out)


def _link(tag: str, liquid: list[str], out: list[str]) -> str:
    """Return the URL in the tag of a link, and append other Liquid tags in it to the text."""
    href = HREF.search(tag)
    out.append(_conditions(tag.replace(href[0], "") if href else tag, liquid))
    return (href[1] or href[2] or href[3] or "").strip() if href else ""


def _url(link: str, label_parts: list[str], liquid: list[str]) -> str:
    """Return what follows a link's label: its URL, unless the label shows it or it is useless in plain text."""
    bare, label = link.removeprefix("mailto:"), "".join(label_parts).strip()
    if label in (link, bare):
        return ""
    if not link or link.lower().startswith(USELESS_LINKS):
        return _conditions(link, liquid)
    return f" ({bare})" if label else bare


def _conditions(markup: str, liquid: list[str]) -> str:
    """Return the Liquid tags in markup that is not shown: they may be conditions on what follows."""
    if "\ue000" not in markup:
        return ""
    return "".join(place[0] for place in HIDDEN.finditer(markup) if liquid[int(place[1])].startswith("{%"))
