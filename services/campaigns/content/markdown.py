"""Markdown bodies: what of Markdown a mail can have, and whether a body in HTML has more than that.

Headings, emphasis, links, images, lists, quotes, code blocks, rules and breaks. Raw HTML, tables and strikethrough are
text here, and inline code loses its marks. Liquid's `{{ .. }}` and `{% .. %}` go through untouched.
"""

import re
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml

MAX_MARKDOWN = 65_000

TEXT_TAGS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "b", "em", "i", "a", "img", "br")
BLOCK_TAGS = ("ul", "ol", "li", "blockquote", "pre", "code", "hr", "html", "head", "body")
TAGS = frozenset({*TEXT_TAGS, *BLOCK_TAGS})
ATTRIBUTES = frozenset({"href", "src", "alt", "title", "start"})

# A target with Liquid in it is not percent-encoded, and one with blanks in its Liquid is a target all the same.
_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_PLACE = re.compile("\ue000(\\d+)\ue001|%EE%80%80(\\d+)%EE%80%81")

_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_MARKDOWN.add_render_rule("code_inline", lambda _, tokens, index, *__: escapeHtml(tokens[index].content))


def html_of(markdown: str) -> str:
    """The mail's body in HTML."""
    codes: list[str] = []

    def keep(code: re.Match[str]) -> str:
        codes.append(code[0])
        return f"\ue000{len(codes) - 1}\ue001"

    html = _MARKDOWN.render(_CODE.sub(keep, markdown.replace("\ue000", "").replace("\ue001", "")))
    return _PLACE.sub(lambda place: codes[int(place[1] or place[2])], html)


def is_plain(html: str) -> bool:
    """Whether the HTML has nothing that Markdown cannot say."""
    seen = _Seen()
    seen.feed(html)
    seen.close()
    return seen.tags <= TAGS and seen.attributes <= ATTRIBUTES


class _Seen(HTMLParser):
    """Collects the names of tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
