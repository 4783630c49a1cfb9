"""The assignment of contacts to the variants of a campaign's A/B test.

It depends on nothing but the ids, so every service, every replica and every rebuild gets the same result. Campaigns
that are being sent rely on it: the rule must never change.
"""

from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

HALF = 2**32


def variant_of(campaign_id: UUID, contact_id: UUID, keys: Sequence[str], share_percent: int) -> str | None:
    """Return the key of the contact's variant, or None if the contact is not in the test.

    `share_percent` of the audience is in the test, split evenly between the variants.
    """
    digest = int.from_bytes(blake2b(campaign_id.bytes + contact_id.bytes, digest_size=8).digest())
    rank, choice = divmod(digest, HALF)
    return keys[choice % len(keys)] if rank * 100 < share_percent * HALF else None
