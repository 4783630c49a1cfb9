"""The HTML of the pages."""

from html import escape
from pathlib import Path
from string import Template

import msgspec

from services.gateway.answers import Answer

TEMPLATE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
BUTTON = Template('<form method="post" action="$action"><button type="submit">$label</button></form>')

POLICY = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex"),
]


class Action(msgspec.Struct, frozen=True):
    """Something to click: what it says and where it leads."""

    label: str
    to: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page. Texts are plain, not HTML; `button` posts."""

    title: str
    text: str
    status: int = 200
    button: Action | None = None
    retry_after: int | None = None


def respond(page: Page) -> Answer:
    html = TEMPLATE.substitute(title=escape(page.title), text=escape(page.text), button=_html(page.button))
    return Answer(html.encode(), page.status, b"text/html; charset=utf-8", [*HEADERS, *_later(page)])


def respond_plainly(page: Page) -> Answer:
    """For programs: the title alone."""
    return Answer(page.title.encode(), page.status, b"text/plain; charset=utf-8", _later(page))


def _later(page: Page) -> list[tuple[bytes, bytes]]:
    return [(b"retry-after", b"%d" % page.retry_after)] if page.retry_after else []


def _html(button: Action | None) -> str:
    return BUTTON.substitute(action=escape(button.to), label=escape(button.label)) if button else ""
