"""The addresses that an SNS message may make us fetch. Pure.

An address is matched as a whole, as text, so that no parser can read it differently: the patterns allow no user info,
other port, query, fragment, backslash, space, control character or non-ASCII letter.
"""

import re
from enum import Enum
from urllib.parse import parse_qsl

CERTIFICATE_PATH = r"/SimpleNotificationService-[0-9a-f]+\.pem"
CONFIRMATION = r"/\?(?P<query>[A-Za-z0-9%&=:._~+-]+)"


class Source(Enum):
    """The sources, by the pattern that each of their addresses starts with."""

    AMAZON = r"https://sns\.[a-z0-9-]{3,}\.amazonaws\.com(?:\.cn)?(?::443)?"
    SANDBOX = r"http://(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?"
    """For development only. Trusted if its certificates are issued by the authority in the settings."""


def source_of_certificate(url: str, *, sandbox: bool) -> Source | None:
    """Return the source whose certificate the address is for. None if the address must not be fetched."""
    sources = (Source.AMAZON, Source.SANDBOX) if sandbox else (Source.AMAZON,)
    return next((source for source in sources if re.fullmatch(source.value + CERTIFICATE_PATH, url)), None)


def confirms(url: str, source: Source, topic_arn: str, token: str) -> bool:
    """Whether fetching the address confirms exactly this subscription, at the source that signed the message."""
    found = re.fullmatch(source.value + CONFIRMATION, url)
    if found is None:
        return False
    wanted = {"Action": "ConfirmSubscription", "TopicArn": topic_arn, "Token": token}
    return sorted(parse_qsl(found["query"])) == sorted(wanted.items())
