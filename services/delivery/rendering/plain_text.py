"""The plain-text part of a mail, made from its HTML. Pure.

A template is converted rather than each mail: what converts is the same for all of a campaign's readers, so it costs a
mail no more than filling in its own values. Liquid goes through as it is; tags of it that HTML hides (in a style, an
attribute, a comment) are kept where they stand, so that conditions stay balanced.

Every step looks at each character once, whatever it is given. (`html.parser` takes twice as long, and on
hostile input time in proportion to the square of its length.)
"""

import html
import re
from functools import lru_cache

LARGEST_KEPT = 100_000

MARKUP = re.compile(r"<[a-zA-Z/!?]")
# Nothing in a tag may hold a further "<", so that a try at one ends where the next begins.
TAG = re.compile(r'<([a-zA-Z/!?](?:[^<>"]++|"[^"<]*+")*+)>')
NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9]*")
HREF = re.compile(r"""\bhref ?= ?(?:"([^"]*)"|'([^']*)'|([^ "'>]+))""", re.IGNORECASE)
ALT = re.compile(r"""\balt ?= ?(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
LIQUID_OPENS = re.compile(r"\{\{|\{%")
LIQUID_CLOSES = {"{{": "}}", "{%": "%}"}
UNSEEN_OPENS = re.compile(r"<!--|<(?:script|style|title|template)\b", re.IGNORECASE)
UNSEEN_CLOSES = {"<!--": re.compile("-->")} | {
    f"<{name}": re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "title", "template")
}
HIDDEN = re.compile("\ue000([0-9]+)\ue001")
AROUND_BREAK = re.compile(" ?\ue002 ?")
GAPS = re.compile(r"\n{3,}")

BREAK, PARAGRAPH = "\ue002", "\n\ue003\n"
OURS = re.compile("[\ue000-\ue003]")
"""Characters of no meaning (Unicode's private use area) that stand for something here."""

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
    """Whether it is HTML, as opposed to plain text."""
    return MARKUP.search(body) is not None


def text_template(body: str) -> str:
    """A template of the plain text, of the template of the HTML."""
    return _kept(body) if len(body) <= LARGEST_KEPT else _converted(body)


def tidied(text: str) -> str:
    """Rendered text without the gaps that empty values and loops leave."""
    return GAPS.sub("\n\n", text).strip() if "\n\n\n" in text else text.strip()


@lru_cache(maxsize=128)
def _kept(body: str) -> str:
    return _converted(body)


def _converted(body: str) -> str:
    if not is_markup(body):
        return html.unescape(body)
    source, liquid = _without_liquid(OURS.sub("", body))
    text = _laid_out(html.unescape(_text_of(_without_unseen(source, liquid), liquid)))
    return HIDDEN.sub(lambda place: liquid[int(place[1])], text)


def _laid_out(text: str) -> str:
    """Lines without what HTML does not show: spaces in a row, and lines of nothing but the ends of blocks."""
    lines = [" ".join(line.split()) for line in text.split("\n")]
    shown = "\n".join("" if line == PARAGRAPH[1] else line for line in lines if line)
    return GAPS.sub("\n\n", AROUND_BREAK.sub("\n", shown)).strip()


def _without_liquid(body: str) -> tuple[str, list[str]]:
    """The HTML with a mark in place of each piece of Liquid, and the pieces. White space is single spaces."""
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


def _without_unseen(source: str, liquid: list[str]) -> str:
    """Without comments, scripts, styles and the title, except for Liquid's tags in them."""
    kept: list[str] = []
    at = 0
    while opening := UNSEEN_OPENS.search(source, at):
        closing = UNSEEN_CLOSES[opening[0].lower()].search(source, opening.end())
        end = closing.end() if closing else len(source)
        kept += [source[at : opening.start()], _conditions(source[opening.start() : end], liquid)]
        at = end if opening[0] == "<!--" else source.find(">", end) + 1 or len(source)
    return "".join([*kept, source[at:]])


def _text_of(source: str, liquid: list[str]) -> str:
    """What is between the tags, with breaks for blocks, and the addresses of links behind what they say."""
    parts = TAG.split(source)
    said = [parts[0]]
    link, start = "", 0
    for tag, text in zip(parts[1::2], parts[2::2], strict=True):
        name = found[0].lower() if (found := NAME.match(tag)) else ""
        if name in ("a", "/a"):
            said.append(_address(link, said[start:], liquid))
            link, start = _link(tag, liquid, said), len(said)
        elif name == "img" and (alt := ALT.search(tag)):
            said += [_conditions(tag.replace(alt[0], ""), liquid), alt[1] or alt[2] or ""]
        elif "\ue000" in tag:
            said.append(_conditions(tag, liquid))
        said += [BREAKS.get(name, ""), text]
    said.append(_address(link, said[start:], liquid))
    return "".join(said)


def _link(tag: str, liquid: list[str], said: list[str]) -> str:
    """The address in the tag of a link. What else of Liquid the tag holds is said."""
    href = HREF.search(tag)
    said.append(_conditions(tag.replace(href[0], "") if href else tag, liquid))
    return (href[1] or href[2] or href[3] or "").strip() if href else ""


def _address(link: str, said: list[str], liquid: list[str]) -> str:
    """What to add when a link ends: its address, unless that was said already, or is of no use in text."""
    bare, label = link.removeprefix("mailto:"), "".join(said).strip()
    if label in (link, bare):
        return ""
    if not link or link.lower().startswith(USELESS_LINKS):
        return _conditions(link, liquid)
    return f" ({bare})" if label else bare


def _conditions(markup: str, liquid: list[str]) -> str:
    """Liquid's tags in what is not shown: they may decide on what follows."""
    if "\ue000" not in markup:
        return ""
    return "".join(place[0] for place in HIDDEN.finditer(markup) if liquid[int(place[1])].startswith("{%"))
