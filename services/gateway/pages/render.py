"""Renders pages as HTML."""

from html import escape
from pathlib import Path
from string import Template

from services.gateway.http.raw_response import RawResponse
from services.gateway.pages.page import Action, Choice, Page

TEMPLATE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
BUTTON = Template('<form method="post" action="$action"><button type="submit">$label</button></form>')
CHOICE = Template(
    '<form method="post" action="$action" class="quiet"><label for="$name">$question</label>'
    '<select id="$name" name="$name">$options</select><button type="submit">$label</button></form>'
)
OPTION = Template('<option value="$value">$label</option>')

POLICY = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"accept-language"),
    (b"x-robots-tag", b"noindex"),
]


def respond(page: Page) -> RawResponse:
    html = TEMPLATE.substitute(
        lang=page.locale,
        title=escape(page.title),
        text=escape(page.text),
        button=_button(page.button) if page.button else "",
        choice=_choice(page.choice) if page.choice else "",
    )
    language = (b"content-language", page.locale.encode())
    return RawResponse(html.encode(), page.status, b"text/html; charset=utf-8", [*HEADERS, language, *_later(page)])


def respond_plainly(page: Page) -> RawResponse:
    """Return the title alone, for programs."""
    return RawResponse(page.title.encode(), page.status, b"text/plain; charset=utf-8", _later(page))


def _later(page: Page) -> list[tuple[bytes, bytes]]:
    return [(b"retry-after", b"%d" % page.retry_after)] if page.retry_after else []


def _button(button: Action) -> str:
    return BUTTON.substitute(action=escape(button.to), label=escape(button.label))


def _choice(choice: Choice) -> str:
    options = [OPTION.substitute(value=value, label=escape(label)) for value, label in choice.options.items()]
    return CHOICE.substitute(
        action=escape(choice.button.to),
        label=escape(choice.button.label),
        name=choice.name,
        question=escape(choice.question),
        options="".join(options),
    )
