"""Normalization of email addresses: one parser on every path, so that one mailbox is one contact."""

import re
from functools import lru_cache

import idna

MAX_OCTETS = 254

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")


@lru_cache(maxsize=4096)  # a batch looks up each of its addresses several times
def normalize_address(text: str) -> str | None:
    """Return the address as it is stored and sent to: trimmed, lower-case, with its domain in ASCII (IDNA, RFC 5891).

    Return None for anything but one plain mailbox of at most 254 octets: comments, quoted or non-ASCII local parts
    (SES delivers to neither), a second `@`, control characters, a domain without a dot.
    """
    local, _, domain = text.strip().rpartition("@")
    address = f"{local}@{_ascii(domain)}".lower()
    if not local.isascii() or len(address) > MAX_OCTETS or not _PLAIN.fullmatch(address):
        return None
    return address


def _ascii(domain: str) -> str:
    if domain.isascii() or len(domain) > MAX_OCTETS:
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return ""
