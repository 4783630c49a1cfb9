"""What is to be said of an address, from what is known of its domain. Pure."""

from services.gateway.verification.domain_lists import DomainLists
from services.gateway.verification.results import AddressVerification, DomainFacts
from services.gateway.verification.typo import suggest_domain

DISPOSABLE = "Email is from a disposable email provider"
NO_DOMAIN = "Domain does not exist (no nameservers found)"
NO_MX = "Domain cannot receive email (no MX records found)"
NO_ANSWER = "Domain could not be checked (DNS did not answer)"


def verdict_on(address: str, domain: DomainFacts, lists: DomainLists) -> AddressVerification:
    """The verdict. Only a disposable provider, a domain that is not there, or one that takes no mail make an address
    invalid; where DNS does not answer nothing is held against it."""
    local, _, name = address.rpartition("@")
    disposable = lists.has(lists.disposable, name)
    better = suggest_domain(name, lists)
    reasons = [DISPOSABLE] if disposable else []
    return AddressVerification(
        email=address,
        valid=not disposable and domain.exists is not False and domain.has_mx is not False,
        is_disposable=disposable,
        is_alias=lists.has(lists.forwarding, name),
        is_typo=better is not None,
        is_plus_addressed="+" in local,
        is_personal_email=lists.has(lists.personal, name),
        is_role=local.partition("+")[0] in lists.roles,
        domain_exists=domain.exists,
        has_website=domain.has_website,
        has_mx_records=domain.has_mx,
        suggested_email=f"{local}@{better}" if better else None,
        reasons=reasons + _of_dns(domain),
    )


def _of_dns(domain: DomainFacts) -> list[str]:
    if domain.exists is False:
        return [NO_DOMAIN]
    if domain.has_mx is False:
        return [NO_MX]
    return [NO_ANSWER] if domain.has_mx is None else []
