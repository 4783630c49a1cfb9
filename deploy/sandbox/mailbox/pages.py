"""The mailbox in the browser: a list of the accepted messages, and each one as its recipient would see it."""

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from urllib.parse import quote, urlencode

from deploy.sandbox.http.asgi import ApiError, Request, Response
from deploy.sandbox.mailbox.ledger import PAGE_SIZE, Ledger, Message
from deploy.sandbox.mailbox.mail import (
    Mail,
    raw_mail,
    read_headers,
    read_mail,
    value_of,
)
from deploy.sandbox.timestamps import iso

STYLE = files(__package__).joinpath("style.css").read_text()
# The HTML of an email may show its images and styles, and nothing else. Its links open outside of the frame.
POLICY = (
    b"default-src 'none'; frame-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'self'; "
    b"style-src 'unsafe-inline' https: http:; img-src data: https: http:; font-src https: http:"
)
SECURITY = [
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
FRAME = "allow-popups allow-popups-to-escape-sandbox"


class Pages:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def list(self, request: Request) -> Response:
        to, page = request.query.get("to", "").strip(), request.query.get("page", "1")
        number = max(1, int(page)) if page.isdecimal() else 1
        seqs, total = self._ledger.find(to=to, offset=(number - 1) * PAGE_SIZE)
        rows = "".join(_row(message) for message in self._ledger.read(seqs))
        table = f"<table><tbody>{rows}</tbody></table>" if rows else _empty(to)
        return _page("Mail", _search(to, total) + table + _pager(to, number, total))

    async def show(self, request: Request, message_id: str) -> Response:
        message = self._ledger.by_id(message_id)
        if message is None:
            raise ApiError(404, "NotFound", "There is no such message.")
        mail = read_mail(message)
        return _page(mail.subject or "(no subject)", _heading(message, mail) + _tabs(message, mail))

    async def raw(self, request: Request, message_id: str) -> Response:
        message = self._ledger.by_id(message_id)
        if message is None:
            raise ApiError(404, "NotFound", "There is no such message.")
        return Response(raw_mail(message), content_type=b"text/plain; charset=utf-8", headers=SECURITY)


def _page(title: str, content: str) -> Response:
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · SES sandbox</title>
<style>{STYLE}</style>
</head>
<body>
<header class="bar"><a href="/">SES sandbox</a><span>accepted here, delivered nowhere</span></header>
<main>
{content}
</main>
</body>
</html>
"""
    return Response(html.encode(), content_type=b"text/html; charset=utf-8", headers=SECURITY)


def _search(to: str, total: int) -> str:
    count = f"{total:,} message{'' if total == 1 else 's'}"
    return f"""<form class="search" action="/" role="search">
<input type="search" name="to" value="{escape(to)}" placeholder="Recipient's address" aria-label="Recipient's address">
<button>Find</button><span>{count}</span>
</form>"""


def _empty(to: str) -> str:
    if to:
        return f'<p class="empty">Nothing was sent to {escape(to)}.</p>'
    return '<p class="empty">No email yet. Point an AWS SDK here with <code>AWS_ENDPOINT_URL</code> and send one.</p>'


def _row(message: Message) -> str:
    headers = read_headers(message)
    subject = escape(value_of(headers, "subject") or "(no subject)")
    link = f"/messages/{quote(message.id)}"
    return f"""<tr>
<td class="to">{escape(", ".join(message.recipients))}</td>
<td class="subject"><a href="{link}">{subject}</a></td>
<td class="from">{escape(message.sender)}</td>
<td class="at">{_at(message)}</td>
</tr>"""


def _at(message: Message) -> str:
    at = iso(message.accepted_at)
    return f'<time datetime="{at}">{at[:10]} {at[11:19]}</time>'


def _pager(to: str, number: int, total: int) -> str:
    last = max(1, -(-total // PAGE_SIZE))
    links = []
    if number > 1:
        links.append(f'<a href="{_list_url(to, number - 1)}">Newer</a>')
    if number < last:
        links.append(f'<a href="{_list_url(to, number + 1)}">Older</a>')
    return f'<nav class="pager">{" ".join(links)}</nav>' if links else ""


def _list_url(to: str, number: int) -> str:
    return escape("/?" + urlencode({"to": to, "page": number}))


def _heading(message: Message, mail: Mail) -> str:
    facts = [
        ("From", value_of(mail.headers, "from") or message.sender),
        ("To", ", ".join(message.recipients)),
        ("Accepted", _at(message)),
        ("SES id", message.id),
        ("Email id", message.email_id),
        ("Configuration set", message.configuration_set),
        ("Attachments", ", ".join(mail.attachments)),
    ]
    rows = [(name, value if name == "Accepted" else escape(value)) for name, value in facts if value]
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    tags = "".join(f"<li>{escape(name)} = {escape(value)}</li>" for name, value in message.tags.items())
    title = escape(mail.subject or "(no subject)")
    return f'<h1>{title}</h1><dl class="facts">{listed}</dl><ul class="tags">{tags}</ul>'


def _tabs(message: Message, mail: Mail) -> str:
    """Render tabs without scripts: a radio button per tab, and CSS that shows the panel after the checked one."""
    headers = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in mail.headers)
    raw = raw_mail(message).decode("utf-8", "replace")
    panels = [
        ("HTML", _frame(mail.html) if mail.html else ""),
        ("Text", f"<pre>{escape(mail.text)}</pre>" if mail.text else ""),
        ("Headers", f'<table class="headers">{headers}</table>'),
        ("Raw", f'<p><a href="/messages/{quote(message.id)}/raw">Open alone</a></p><pre>{escape(raw)}</pre>'),
    ]
    return f'<div class="tabs">{"".join(_panels((name, panel) for name, panel in panels if panel))}</div>'


def _panels(panels: Iterable[tuple[str, str]]) -> Iterable[str]:
    for number, (name, panel) in enumerate(panels):
        checked = " checked" if number == 0 else ""
        yield f'<input type="radio" name="tab" id="tab-{name}"{checked}><label for="tab-{name}">{name}</label>'
        yield f"<section>{panel}</section>"


def _frame(html: str) -> str:
    document = escape(f'<base target="_blank">{html}')
    return f'<iframe sandbox="{FRAME}" title="The email as its recipient sees it" srcdoc="{document}"></iframe>'
