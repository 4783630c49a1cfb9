"""Messages of the delivery service about sending domains."""

from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Event, Instant, View
from libs.schemas.delivery.base import DeliveryCommand, DeliveryQuery

DomainVerification = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]


class AddDomain(DeliveryCommand, tag="add-domain", frozen=True, kw_only=True):
    """Add a sending domain. Replies with `DomainView`.

    `verified` is only for a domain that the operator vouches for: it is neither registered with SES nor checked there,
    and several projects may have it. Any other domain may be added by several projects, and belongs to the first that
    proves it.
    """

    domain_id: UUID
    domain: str
    verified: bool = False


class VerifyDomain(DeliveryCommand, tag="verify-domain", frozen=True, kw_only=True):
    """Check the domain with SES now instead of with the next round. Replies with `DomainView` as it was before."""

    domain_id: UUID


class RemoveDomain(DeliveryCommand, tag="remove-domain", frozen=True, kw_only=True):
    """Replies with `DomainView` as it was before."""

    domain_id: UUID


class DomainEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"
    stream: ClassVar[str] = "domain-{domain_id}"
    domain_id: UUID
    domain: str


class DomainAdded(DomainEvent, tag="domain.added", frozen=True, kw_only=True):
    """`vouched` is true for a domain that the operator vouches for, and in all events that do not have the field."""

    tokens: list[str] = []
    vouched: bool = True


class DomainIdentified(DomainEvent, tag="domain.identified", frozen=True, kw_only=True):
    """SES has registered the domain. `tokens` are for its DKIM records, `mail_from` is the host for its bounces."""

    tokens: list[str]
    mail_from: str | None = None


class DomainVerified(DomainEvent, tag="domain.verified", frozen=True, kw_only=True):
    """The project may send from the domain. `vouched` as in `DomainAdded`."""

    vouched: bool = True


class DomainLost(DomainEvent, tag="domain.lost", frozen=True, kw_only=True):
    """SES no longer accepts mail from the domain. `status` is SES's."""

    status: str


class DomainRemoved(DomainEvent, tag="domain.removed", frozen=True, kw_only=True):
    """The project no longer has the domain. If it is added again, it gets another id."""


class ListDomains(DeliveryQuery, tag="list-domains", frozen=True, kw_only=True):
    """Replies with a list of `DomainView`."""


class GetDomain(DeliveryQuery, tag="get-domain", frozen=True, kw_only=True):
    """Replies with `DomainView`."""

    domain_id: UUID


class DnsRecord(View, frozen=True, kw_only=True):
    """A DNS record to publish for the `purpose`. `required` is false if it is only recommended.

    The record for OWNERSHIP has a value that only this project is given.
    """

    type_: Literal["CNAME", "MX", "TXT"] = msgspec.field(name="type")
    name: str
    value: str
    purpose: Literal["DKIM", "MAIL_FROM", "SPF", "DMARC", "OWNERSHIP"]
    required: bool
    priority: int | None = None


class DomainView(View, frozen=True, kw_only=True):
    """A sending domain of a project.

    `status` is SES's at the last check, at `checked_at`, and PENDING until the project has proven that the domain is
    its own; `problem` says what is missing, why the check failed or what SES refused.
    `tokens` and `dkim_tokens` are the same. The records are complete once SES has registered the domain. A domain that
    the operator has `vouched` for is not checked.
    """

    id: UUID
    domain: str
    verified: bool
    tokens: list[str]
    created_at: Instant
    updated_at: Instant
    project_id: UUID | None = None
    dkim_tokens: list[str] = []
    status: DomainVerification = "PENDING"
    records: list[DnsRecord] = []
    vouched: bool = False
    checked_at: Instant | None = None
    problem: str | None = None
