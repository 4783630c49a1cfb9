"""Sending domains as the API shows them."""

from datetime import datetime
from uuid import UUID

from libs.kernel.instants import iso
from libs.schemas.delivery.domains import DomainVerification, DomainView
from services.delivery.domains.challenge import value_of
from services.delivery.domains.dns import records
from services.delivery.domains.domain import Domain
from services.delivery.domains.identity_checks import Check


class DomainViews:
    """Makes views of domains. `region` is part of the DNS records, as is a challenge if domains are proven `by_dns`."""

    def __init__(self, region: str, *, by_dns: bool) -> None:
        self._region = region
        self._by_dns = by_dns

    def view(self, project: UUID, domain: Domain, check: Check | None, now: datetime) -> DomainView:
        assert domain.id is not None
        check = None if domain.vouched else check
        return DomainView(
            id=domain.id,
            project_id=project,
            domain=domain.domain,
            verified=domain.verified,
            vouched=domain.vouched,
            tokens=list(domain.tokens),
            dkim_tokens=list(domain.tokens),
            status=_status(domain, check),
            records=records(domain, self._region, self._challenge(project, domain)),
            checked_at=iso(check.at) if check and check.at else None,
            problem=check.problem if check else None,
            created_at=iso(domain.created_at or now),
            updated_at=iso(domain.updated_at or now),
        )

    def _challenge(self, project: UUID, domain: Domain) -> str | None:
        if not self._by_dns or domain.vouched or domain.id is None:
            return None
        return value_of(project, domain.id)


def _status(domain: Domain, check: Check | None) -> DomainVerification:
    if check and check.status:
        return check.status
    return "SUCCESS" if domain.verified else "PENDING"
