"""Tells whether a person or a machine opened or clicked. Pure.

The verdict follows from the open or click alone and never from what else is known of the mail, so it is the same in
whatever order the notifications arrive. There are two signs of a machine:

- its name: scanners that identify themselves, programs that fetch pages, and Apple's privacy proxy, which loads every
  image unseen and calls itself `Mozilla/5.0` and nothing more;
- its speed: scanners imitate browsers, but follow links within seconds of the delivery. SES reports when it accepted
  the mail, a second or two before the delivery. Mail readers are believed at any speed: no scanner imitates one.

The image proxies of Gmail, Yahoo and Outlook fetch when a person opens the mail, so their names are no sign.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache

TOO_FAST = timedelta(seconds=3)
"""A browser that is faster than this after SES accepted the mail is a scanner."""

BARE = "Mozilla/5.0"
FETCHES = re.compile(
    r"bot\b|crawl|spider|scan|preview|curl/|wget/|python|java/|go-http|okhttp|headless|phantom"
    r"|barracuda|mimecast|proofpoint|fireeye|symantec|trendmicro|sophos|cloudmark|safelinks",
    re.IGNORECASE,
)
BROWSER = re.compile(r"(?:Chrome|CriOS|Firefox|FxiOS|Version|Edge?|OPR|Trident)/")


def is_machine(user_agent: str | None, at: datetime, mailed_at: datetime) -> bool:
    """Return whether a machine opened or clicked at this time a mail that SES accepted at `mailed_at`.

    Without a user agent only the speed counts.
    """
    name = (user_agent or "").strip()
    return _names_a_machine(name) or (at - mailed_at < TOO_FAST and _may_be_imitated(name))


@lru_cache(maxsize=4096)
def _names_a_machine(name: str) -> bool:
    return name == BARE or FETCHES.search(name) is not None


@lru_cache(maxsize=4096)
def _may_be_imitated(name: str) -> bool:
    """Return whether the name is one that scanners use: that of a browser, or none."""
    return not name or BROWSER.search(name) is not None
