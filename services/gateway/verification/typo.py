"""Misspelled domains: one slip away from a provider that many people use. Pure."""

from services.gateway.verification.domain_lists import DomainLists

ENDINGS = {
    **dict.fromkeys(("con", "cmo", "ocm", "comm", "vom", "xom", "cim", "coom", "dom"), "com"),
    **dict.fromkeys(("nte", "ent", "nett"), "net"),
    **dict.fromkeys(("ogr", "rog", "orgg"), "org"),
}
"""Last labels that no domain ends in, and what was meant."""


def suggest_domain(domain: str, lists: DomainLists) -> str | None:
    """The domain that was probably meant; None if this one is known, or like none."""
    if lists.has(lists.personal | lists.disposable | lists.forwarding, domain) or domain in lists.popular:
        return None
    name, _, ending = domain.rpartition(".")
    mended = f"{name}.{ENDINGS[ending]}" if ending in ENDINGS else domain
    near = sorted(known for known in lists.popular if mended == known or one_slip(mended, known))
    return near[0] if near else mended if mended != domain else None


def one_slip(one: str, other: str) -> bool:
    """Whether one letter too many, too few or wrong, or two that changed places, are all the difference."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    if len(one) > len(other):
        one, other = other, one
    start = next((i for i, letter in enumerate(one) if letter != other[i]), len(one))
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    swapped = one[start : start + 2][::-1] == other[start : start + 2]
    return one[start + 1 :] == other[start + 1 :] or (swapped and one[start + 2 :] == other[start + 2 :])
