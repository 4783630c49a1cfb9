"""Adds UTM parameters to the links of a template, so that analytics can attribute visitors to the mail. Pure.

They are added to the template, once for all recipients. Links that Liquid produces as a whole, such as the unsubscribe
link, stay as they are, and so do parameters that a link already has.
"""

import re
from functools import lru_cache
from urllib.parse import quote

from libs.schemas.delivery.content import Utm

LINK = re.compile(r"""(<a\b[^>]*?\shref\s*=\s*)(["'])(https?://(?:(?!\2).)*)\2""", re.IGNORECASE | re.DOTALL)
OUTPUT = re.compile(r"\{\{.*?\}\}", re.DOTALL)


@lru_cache(maxsize=64)
def with_utm(body: str, utm: Utm | None) -> str:
    """Return the HTML template with these parameters on its links."""
    if utm is None:
        return body
    return LINK.sub(lambda link: f"{link[1]}{link[2]}{_tagged(link[3], utm)}{link[2]}", body)


def _tagged(url: str, utm: Utm) -> str:
    if "{%" in url:  # the rendered link is not known yet
        return url
    outputs = OUTPUT.findall(url)
    page, hash_sign, fragment = OUTPUT.sub("\0", url).partition("#")
    missing = [f"{name}={value}" for name, value in _parameters(utm) if not re.search(rf"[?&;]{name}=", page)]
    if missing:
        joint = "?" if "?" not in page else "" if page.endswith(("?", "&", "&amp;")) else "&amp;"
        page += joint + "&amp;".join(missing)
    filled = iter(outputs)
    return re.sub("\0", lambda _: next(filled, ""), page + hash_sign + fragment)


def _parameters(utm: Utm) -> list[tuple[str, str]]:
    given = [(name, getattr(utm, name)) for name in utm.__struct_fields__]
    return [(f"utm_{name}", quote(value, safe="")) for name, value in given if value]
