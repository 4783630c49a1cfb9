"""Detects domains that are one typo away from a provider that many people use. Pure."""

from rapidfuzz.distance import OSA

from services.gateway.verification.domain_lists import DomainLists

ENDINGS = {
    **dict.fromkeys(("con", "cmo", "ocm", "comm", "vom", "xom", "cim", "coom", "dom"), "com"),
    **dict.fromkeys(("nte", "ent", "nett"), "net"),
    **dict.fromkeys(("ogr", "rog", "orgg"), "org"),
}
"""Last labels in which no domain ends, and the ones that were meant."""


def suggest_domain(domain: str, lists: DomainLists) -> str | None:
    """Return the domain that was probably meant. None if this one is known, or similar to none."""
    if lists.contains(lists.personal | lists.disposable | lists.forwarding, domain) or domain in lists.popular:
        return None
    name, _, ending = domain.rpartition(".")
    corrected = f"{name}.{ENDINGS[ending]}" if ending in ENDINGS else domain
    similar = sorted(known for known in lists.popular if corrected == known or is_one_typo_away(corrected, known))
    return similar[0] if similar else corrected if corrected != domain else None


def is_one_typo_away(one: str, other: str) -> bool:
    """Whether they differ by exactly one added, missing or wrong letter, or two swapped ones."""
    return OSA.distance(one, other, score_cutoff=1) == 1
