"""Sending domains: what the delivery service accepts, says and answers about them."""

from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Event, Instant, View
from libs.schemas.delivery.base import DeliveryCommand, DeliveryQuery

DomainVerification = Literal["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]


class AddDomain(DeliveryCommand, tag="add-domain", frozen=True, kw_only=True):
    """Add a sending domain. `verified` is set only for a domain that the operator vouches for: it is neither registered
    with SES nor checked there, and several projects may have it. Any other belongs to one project. Answers
    `DomainView`."""

    domain_id: UUID
    domain: str
    verified: bool = False


class VerifyDomain(DeliveryCommand, tag="verify-domain", frozen=True, kw_only=True):
    """Have SES asked about the domain now rather than at the next round. Answers `DomainView`, as it was before."""

    domain_id: UUID


class RemoveDomain(DeliveryCommand, tag="remove-domain", frozen=True, kw_only=True):
    """Answers `DomainView`, as it was before."""

    domain_id: UUID


class DomainEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"
    stream: ClassVar[str] = "domain-{domain_id}"
    domain_id: UUID
    domain: str


class DomainAdded(DomainEvent, tag="domain.added", frozen=True, kw_only=True):
    """`vouched` is true for a domain that the operator vouches for, as all were in events that do not say."""

    tokens: list[str] = []
    vouched: bool = True


class DomainIdentified(DomainEvent, tag="domain.identified", frozen=True, kw_only=True):
    """SES knows the domain: these are the tokens of its DKIM records, and the name that its bounces go to."""

    tokens: list[str]
    mail_from: str | None = None


class DomainVerified(DomainEvent, tag="domain.verified", frozen=True, kw_only=True):
    """From here on the project may send from it. `vouched` as above."""

    vouched: bool = True


class DomainLost(DomainEvent, tag="domain.lost", frozen=True, kw_only=True):
    """SES does not accept mail from the domain any more; `status` is what SES says of it."""

    status: str


class DomainRemoved(DomainEvent, tag="domain.removed", frozen=True, kw_only=True):
    """The project has the domain no longer. If it is added again that is another one, with an id of its own."""


class ListDomains(DeliveryQuery, tag="list-domains", frozen=True, kw_only=True):
    """Answers a list of `DomainView`."""


class GetDomain(DeliveryQuery, tag="get-domain", frozen=True, kw_only=True):
    """Answers `DomainView`."""

    domain_id: UUID


class DnsRecord(View, frozen=True, kw_only=True):
    """A record to publish. `purpose` is what it is for; `required` is false for what is only advice."""

    type_: Literal["CNAME", "MX", "TXT"] = msgspec.field(name="type")
    name: str
    value: str
    purpose: Literal["DKIM", "MAIL_FROM", "SPF", "DMARC"]
    required: bool
    priority: int | None = None


class DomainView(View, frozen=True, kw_only=True):
    """A sending domain of a project.

    `status` is what SES said when it was asked last, at `checked_at`; `problem` says why it could not be asked, or what
    it refused. `tokens` and `dkim_tokens` are the same. The records are complete once SES knows the domain. One that is
    `vouched` for by the operator is not checked.
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
