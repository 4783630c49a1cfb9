"""Who of an audience is in an A/B test, and gets which of its variants. Pure.

It follows from the ids alone, so every service, every replica and every rebuild comes to the same answer. Campaigns
that are being sent rely on it: the rule must never change.
"""

from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

HALF = 2**32


def variant_of(campaign_id: UUID, contact_id: UUID, keys: Sequence[str], share_percent: int) -> str | None:
    """The key of the contact's variant; None if the contact is not in the test.

    Of many contacts, `share_percent` are in it, and equal parts of them get each variant.
    """
    digest = int.from_bytes(blake2b(campaign_id.bytes + contact_id.bytes, digest_size=8).digest())
    place, choice = divmod(digest, HALF)
    return keys[choice % len(keys)] if place * 100 < share_percent * HALF else None
