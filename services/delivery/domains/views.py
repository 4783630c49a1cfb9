"""Sending domains as the API shows them."""

from datetime import datetime
from uuid import UUID

from libs.kernel.instants import iso
from libs.schemas.delivery.domains import DomainVerification, DomainView
from services.delivery.domains.dns import records
from services.delivery.domains.domain import Domain
from services.delivery.domains.identity_checks import Check


def view(project: UUID, domain: Domain, check: Check | None, region: str, now: datetime) -> DomainView:
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
        records=records(domain, region),
        checked_at=iso(check.at) if check and check.at else None,
        problem=check.problem if check else None,
        created_at=iso(domain.created_at or now),
        updated_at=iso(domain.updated_at or now),
    )


def _status(domain: Domain, check: Check | None) -> DomainVerification:
    if check and check.status:
        return check.status
    return "SUCCESS" if domain.verified else "PENDING"
