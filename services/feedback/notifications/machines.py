"""Was it a person who opened or clicked? Pure.

Judged by the hit alone, never by what else is known of the mail: so the verdict is the same in whatever order the
notifications arrive. Two signs make a machine:

- its name: scanners that say so, programs that fetch, and Apple's privacy proxy, which loads every image unseen and
  calls itself `Mozilla/5.0` and nothing more;
- its haste: scanners imitate browsers, but follow links within seconds of the delivery. SES tells us when it was given
  the mail, a second or two before the delivery. Mail readers are believed at any speed: no scanner poses as one.

The image proxies of Gmail, Yahoo and Outlook fetch when a person opens the mail, so their names do not tell.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache

HASTE = timedelta(seconds=3)

BARE = "Mozilla/5.0"
FETCHES = re.compile(
    r"bot\b|crawl|spider|scan|preview|curl/|wget/|python|java/|go-http|okhttp|headless|phantom"
    r"|barracuda|mimecast|proofpoint|fireeye|symantec|trendmicro|sophos|cloudmark|safelinks",
    re.IGNORECASE,
)
BROWSER = re.compile(r"(?:Chrome|CriOS|Firefox|FxiOS|Version|Edge?|OPR|Trident)/")


def is_machine(user_agent: str | None, at: datetime, mailed_at: datetime) -> bool:
    """`mailed_at` is when SES was given the mail. Without a user agent only the haste tells."""
    name = (user_agent or "").strip()
    return _is_a_machines(name) or (at - mailed_at < HASTE and _may_be_posed(name))


@lru_cache(maxsize=4096)
def _is_a_machines(name: str) -> bool:
    return name == BARE or FETCHES.search(name) is not None


@lru_cache(maxsize=4096)
def _may_be_posed(name: str) -> bool:
    """Browsers are what scanners pose as."""
    return not name or BROWSER.search(name) is not None
