"""The links of an email that a reader might click."""

import re
from collections.abc import Sequence
from html import unescape

from deploy.sandbox.mailbox.mail import Mail, value_of

ANCHOR = re.compile(r"""<a\b[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))[^>]*>(.*?)</a\s*>""", re.I | re.S)


def clickable_links(mail: Mail) -> Sequence[str]:
    """Return the http(s) links of the HTML in order, without unsubscribe links."""
    unsubscribing = value_of(mail.headers, "list-unsubscribe")
    found = []
    for *hrefs, label in ANCHOR.findall(mail.html):
        link = unescape("".join(hrefs)).strip()
        if link.startswith(("http://", "https://")) and not _unsubscribes(link, label, unsubscribing):
            found.append(link)
    return found


def _unsubscribes(link: str, label: str, header: str) -> bool:
    return f"<{link}>" in header or "unsubscribe" in f"{link} {label}".lower()
