"""The verdict on an address, from what is known about its domain. Pure."""

from services.gateway.verification.domain_lists import DomainLists
from services.gateway.verification.results import AddressVerification, DomainFacts
from services.gateway.verification.typo import suggest_domain

DISPOSABLE = "Email is from a disposable email provider"
NO_DOMAIN = "Domain does not exist (no nameservers found)"
NO_MX = "Domain cannot receive email (no MX records found)"
NO_ANSWER = "Domain could not be checked (DNS did not answer)"


def verdict_on(address: str, domain: DomainFacts, lists: DomainLists) -> AddressVerification:
    """Return the verdict.

    Only a disposable provider, or a domain that does not exist or accepts no mail, makes an address invalid. What DNS
    does not answer counts for the address.
    """
    local, _, name = address.rpartition("@")
    disposable = lists.contains(lists.disposable, name)
    suggested = suggest_domain(name, lists)
    reasons = [DISPOSABLE] if disposable else []
    return AddressVerification(
        email=address,
        valid=not disposable and domain.exists is not False and domain.has_mx is not False,
        is_disposable=disposable,
        is_alias=lists.contains(lists.forwarding, name),
        is_typo=suggested is not None,
        is_plus_addressed="+" in local,
        is_personal_email=lists.contains(lists.personal, name),
        is_role=local.partition("+")[0] in lists.roles,
        domain_exists=domain.exists,
        has_website=domain.has_website,
        has_mx_records=domain.has_mx,
        suggested_email=f"{local}@{suggested}" if suggested else None,
        reasons=reasons + _dns_reasons(domain),
    )


def _dns_reasons(domain: DomainFacts) -> list[str]:
    if domain.exists is False:
        return [NO_DOMAIN]
    if domain.has_mx is False:
        return [NO_MX]
    return [NO_ANSWER] if domain.has_mx is None else []
