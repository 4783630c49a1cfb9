"""Adds UTM parameters to the links of a template, so that analytics can attribute visitors to the mail. Pure.

They are added to the template, once for all recipients. Links that Liquid produces as a whole, such as the unsubscribe
link, stay as they are, and so do parameters that a link already has.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote

from libs.kernel.liquid import code_spans, replace_code
from libs.schemas.delivery.content import Utm

LINK = re.compile(r"<a\b", re.IGNORECASE)
HREF = re.compile(r"""\shref\s*=\s*(["'])(?=https?://)""", re.IGNORECASE)


@lru_cache(maxsize=64)
def with_utm(body: str, utm: Utm | None) -> str:
    """Return the HTML template with these parameters on its links."""
    if utm is None:
        return body
    parts, at = [], 0
    for start, end in _urls(body):
        parts += [body[at:start], _tagged(body[start:end], utm)]
        at = end
    return "".join([*parts, body[at:]])


def _urls(body: str) -> Iterator[tuple[int, int]]:
    """Yield where each web address of a link begins and ends. Every part of the body is looked at once."""
    at = 0
    while link := LINK.search(body, at):
        at = body.find(">", link.end())
        if at < 0:
            return
        if (href := HREF.search(body, link.end(), at)) and (end := body.find(href[1], href.end())) >= 0:
            yield href.end(), end
            at = max(at, end)


def _tagged(url: str, utm: Utm) -> str:
    if "{%" in url:  # the rendered link is not known yet
        return url
    outputs = [url[start:end] for start, end in code_spans(url, ("{{",))]
    page, hash_sign, fragment = replace_code(url, lambda _: "\0", ("{{",)).partition("#")
    missing = [f"{name}={value}" for name, value in _parameters(utm) if not re.search(rf"[?&;]{name}=", page)]
    if missing:
        joint = "?" if "?" not in page else "" if page.endswith(("?", "&", "&amp;")) else "&amp;"
        page += joint + "&amp;".join(missing)
    filled = iter(outputs)
    return re.sub("\0", lambda _: next(filled, ""), page + hash_sign + fragment)


def _parameters(utm: Utm) -> list[tuple[str, str]]:
    given = [(name, getattr(utm, name)) for name in utm.__struct_fields__]
    return [(f"utm_{name}", quote(value, safe="")) for name, value in given if value]
