"""The facts that DNS knows about a domain, and the result of verifying an address. Pure."""

import msgspec

from libs.schemas.base import View


class DomainFacts(msgspec.Struct, frozen=True):
    """What DNS says about a domain. None where it did not answer."""

    exists: bool | None
    has_mx: bool | None
    has_website: bool | None


class AddressVerification(View, frozen=True, kw_only=True, omit_defaults=True):
    """`valid` says that nothing is known against the address. Null is what DNS did not answer."""

    email: str
    valid: bool
    is_disposable: bool
    is_alias: bool
    is_typo: bool
    is_plus_addressed: bool
    is_personal_email: bool
    is_role: bool
    domain_exists: bool | None
    has_website: bool | None
    has_mx_records: bool | None
    reasons: list[str]
    suggested_email: str | None = None
