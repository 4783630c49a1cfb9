"""Where SNS messages may come from: which addresses a message may have us fetch. Pure.

An address is matched whole, as text, so that no parser can read it differently: no user info, other port, query,
fragment, backslash, space, control character or letter beyond ASCII fits the patterns.
"""

import re
from enum import Enum
from urllib.parse import parse_qsl

CERTIFICATE_PATH = r"/SimpleNotificationService-[0-9a-f]+\.pem"
CONFIRMATION = r"/\?(?P<query>[A-Za-z0-9%&=:._~+-]+)"


class Source(Enum):
    """The start of every address of a source."""

    AMAZON = r"https://sns\.[a-z0-9-]{3,}\.amazonaws\.com(?:\.cn)?(?::443)?"
    SANDBOX = r"http://(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?"
    """Development only. Believed as far as its certificates are issued by the authority of the settings."""


def source_of_certificate(url: str, *, sandbox: bool) -> Source | None:
    """Whose certificate the address promises; None for an address that must not be fetched."""
    sources = (Source.AMAZON, Source.SANDBOX) if sandbox else (Source.AMAZON,)
    return next((source for source in sources if re.fullmatch(source.value + CERTIFICATE_PATH, url)), None)


def confirms(url: str, source: Source, topic_arn: str, token: str) -> bool:
    """Whether fetching the address confirms exactly this subscription, at the source that signed the message."""
    found = re.fullmatch(source.value + CONFIRMATION, url)
    if found is None:
        return False
    wanted = {"Action": "ConfirmSubscription", "TopicArn": topic_arn, "Token": token}
    return sorted(parse_qsl(found["query"])) == sorted(wanted.items())
