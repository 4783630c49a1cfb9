"""The addresses of contacts: see `libs.kernel.addresses`."""

from libs.kernel.addresses import normalize_address
from libs.kernel.rejection import invalid

address_in = normalize_address
"""The address as `parse` has it; None for what it refuses."""


def parse(text: str) -> str:
    """The address as it is stored and sent to. Raises Rejected for what is no plain mailbox."""
    address = normalize_address(text)
    if address is None:
        raise invalid("email", "Invalid email", "invalid_string")
    return address
