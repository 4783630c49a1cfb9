"""Takes personal data out of text that others wrote: errors of SES and of mail servers, and links that were clicked.

Pure. An error keeps everything but the addresses in it. A link is reduced to what its author wrote, as far as that can
be told: values in it that are an address, name a person or look like a token are replaced by `*`, so that it is counted
as one link, whoever followed it. A link without such values stays exactly as it is.
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from urllib.parse import unquote_plus, urlsplit, urlunsplit

HIDDEN = "*"
MAX_LINK = 10_000
"""What is longer is cut: no page of anybody has a longer address."""

MAX_DECODINGS = 3

_address = re.compile(
    r"[^\s@＠<>\"'(),:;=&?/\\\[\]{}|]{1,80}(?:[@＠]|%(?:25){0,3}40)[^\s@＠<>\"'(),:;=&?/\\\[\]{}|]{1,255}"
)
_sign = re.compile(r"[@＠]|%(?:25){0,3}40")
_run = re.compile(r"[A-Za-z0-9]{20,}")
_uuid = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_encoded = re.compile(r"[A-Za-z0-9_+/-]{8,}={0,2}")
_phone = re.compile(r"\+[0-9 ()./-]{6,20}")
_link_token = re.compile(r"(\\?/(?:unsubscribe|subscribe|manage)\\?/)[A-Za-z0-9_-]{80,100}")
_mailto = re.compile(r"(?i)(mailto|tel|sms):")

_PERSONAL_NAMES = frozenset(
    (
        *("address", "birthday", "contact", "customer", "dob", "e", "fname", "firstname", "fullname", "lastname"),
        *("lname", "login", "mail", "mobile", "name", "phone", "recipient", "subscriber", "surname", "tel", "to"),
        *("user", "userid", "username", "customerid", "contactid", "subscriberid", "uid", "token", "key", "sig"),
        *("signature", "auth", "code", "otp", "password", "secret", "session", "sid", "jwt"),
    )
)
"""Parameters that are about the reader, without `_` and `-` and in lower case. So is any with `mail` in its name."""


def without_addresses(text: str) -> str:
    """Return the text with `*` in place of each email address."""
    return _address.sub(HIDDEN, text)


def without_link_tokens(text: str) -> str:
    """Return the text without the tokens of our own links, with which anybody could unsubscribe the reader."""
    return _link_token.sub(rf"\1{HIDDEN}", text)


def impersonal_link(link: str) -> str:
    """Return the link as it is counted, without what distinguishes the people who follow it."""
    if scheme := _mailto.match(link):
        return scheme[0] + HIDDEN
    try:
        parts = urlsplit(link[:MAX_LINK])
    except ValueError:
        return HIDDEN
    host = parts.netloc.rpartition("@")[2]
    path = "/".join(HIDDEN if _is_personal(each) else each for each in parts.path.split("/"))
    query = "&".join(map(_impersonal_pair, parts.query.split("&")))
    fragment = HIDDEN if "=" in parts.fragment or _is_personal(parts.fragment) else parts.fragment
    changed = (host, path, query, fragment) != (parts.netloc, parts.path, parts.query, parts.fragment)
    return urlunsplit((parts.scheme, host, path, query, fragment)) if changed else link[:MAX_LINK]


def _impersonal_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if _is_personal(name):
        return HIDDEN
    hidden = value and (_names_a_person(name) or _is_personal(value))
    return f"{name}{equals}{HIDDEN}" if hidden else pair


def _names_a_person(name: str) -> bool:
    plain = unquote_plus(name).lower().replace("_", "").replace("-", "")
    return plain in _PERSONAL_NAMES or "mail" in plain


def _is_personal(value: str) -> bool:
    """Return whether a part of a link is an address, a phone number, or a token that only one person has."""
    for _ in range(MAX_DECODINGS):
        if _sign.search(value) or _phone.search(value) or _looks_random(value) or _hides_an_address(value):
            return True
        decoded = unquote_plus(value)
        if decoded == value:
            return False
        value = decoded
    return True


def _looks_random(value: str) -> bool:
    """Return whether it is a UUID, or has a long run of letters and digits: words are shorter, or have no digits."""
    return bool(_uuid.search(value)) or any(
        any(c.isdigit() for c in run) and any(c.isalpha() for c in run) for run in _run.findall(value)
    )


def _hides_an_address(value: str) -> bool:
    """Return whether it is an address in Base64."""
    if not _encoded.fullmatch(value):
        return False
    plain = value.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        raw = urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except (NotBase64, ValueError):
        return False
    return b"@" in raw and raw.isascii() and raw.decode("ascii").isprintable()
