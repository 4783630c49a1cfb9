"""Addresses of contacts: `libs.kernel.addresses` with rejections."""

from libs.kernel.addresses import normalize_address
from libs.kernel.rejection import invalid


def parse(text: str) -> str:
    """Return the address as it is stored and sent to. Raise Rejected for anything but a plain mailbox."""
    address = normalize_address(text)
    if address is None:
        raise invalid("email", "Invalid email", "invalid_string")
    return address
