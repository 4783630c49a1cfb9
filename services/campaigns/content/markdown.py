"""Markdown bodies: compiling them to HTML, and finding out whether an HTML body could be Markdown.

The supported subset is headings, emphasis, links, images, lists, quotes, code blocks, rules and line breaks. Raw HTML,
tables and strikethrough are treated as text, and inline code loses its marks. Liquid (`{{ .. }}` and `{% .. %}`) is
left untouched.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml

from libs.kernel.html_tags import start_tags
from libs.kernel.liquid import replace_code

MAX_MARKDOWN = 65_000

TEXT_TAGS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "b", "em", "i", "a", "img", "br")
BLOCK_TAGS = ("ul", "ol", "li", "blockquote", "pre", "code", "hr", "html", "head", "body")
TAGS = frozenset({*TEXT_TAGS, *BLOCK_TAGS})
ATTRIBUTES = frozenset({"href", "src", "alt", "title", "start"})

# Liquid is replaced by placeholders while Markdown is compiled: otherwise it would be percent-encoded in a link, and a
# blank in it would end the link. The second form is a placeholder after percent-encoding.
_PLACEHOLDER = re.compile("\ue000(\\d+)\ue001|%EE%80%80(\\d+)%EE%80%81")

_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_MARKDOWN.add_render_rule("code_inline", lambda _, tokens, index, *__: escapeHtml(tokens[index].content))


def html_of(markdown: str) -> str:
    """Return the HTML of a Markdown body."""
    pieces: list[str] = []

    def keep(liquid: str) -> str:
        pieces.append(liquid)
        return f"\ue000{len(pieces) - 1}\ue001"

    html = _MARKDOWN.render(replace_code(markdown.replace("\ue000", "").replace("\ue001", ""), keep))
    return _PLACEHOLDER.sub(lambda found: pieces[int(found[1] or found[2])], html)


def is_plain(html: str) -> bool:
    """Whether the HTML has only tags and attributes that Markdown can express."""
    return all(tag.name in TAGS and ATTRIBUTES.issuperset(tag.attributes) for tag in start_tags(html))
