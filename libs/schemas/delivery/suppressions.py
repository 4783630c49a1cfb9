"""Who must not be written to, whatever is asked: rules on addresses, and a list of addresses. Delivery's messages."""

from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Command, Event, Instant, Page, Query, View

RuleKind = Literal["ADDRESS", "DOMAIN", "PREFIX", "SUFFIX", "WILDCARD"]
NOBODY = UUID(int=0)
ListedReason = Literal["BOUNCE", "COMPLAINT", "MANUAL", "REPEATED_BOUNCE"]
"""BOUNCE is for good; REPEATED_BOUNCE means that mails bounced for now, time after time, and none was delivered."""


class SuppressionCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"


class CreateSuppressionRule(SuppressionCommand, tag="create-suppression-rule", frozen=True, kw_only=True):
    """Answers `SuppressionRuleView`."""

    rule_id: UUID
    name: str
    kind: RuleKind
    pattern: str
    enabled: bool = True


class UpdateSuppressionRule(SuppressionCommand, tag="update-suppression-rule", frozen=True, kw_only=True):
    """Answers `SuppressionRuleView`."""

    rule_id: UUID
    name: str
    kind: RuleKind
    pattern: str
    enabled: bool = True


class DeleteSuppressionRule(SuppressionCommand, tag="delete-suppression-rule", frozen=True, kw_only=True):
    """Answers `SuppressionRuleView`, as it was."""

    rule_id: UUID


class SuppressAddresses(SuppressionCommand, tag="suppress-addresses", frozen=True, kw_only=True):
    """Put addresses on the list, in lower case and each once. Answers `SuppressedAddresses`."""

    addresses: list[str]
    reason: ListedReason = "MANUAL"


class ReleaseAddress(SuppressionCommand, tag="release-address", frozen=True, kw_only=True):
    """Take an address off the list, for whatever reason it is on it. Answers `SuppressedAddressView`, as it was."""

    address: str


class SuppressionRuleEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"
    stream: ClassVar[str] = "suppression-rule-{rule_id}"
    rule_id: UUID


class SuppressionRuleCreated(SuppressionRuleEvent, tag="suppression_rule.created", frozen=True, kw_only=True):
    name: str
    kind: RuleKind
    pattern: str
    enabled: bool


class SuppressionRuleUpdated(SuppressionRuleEvent, tag="suppression_rule.updated", frozen=True, kw_only=True):
    name: str
    kind: RuleKind
    pattern: str
    enabled: bool


class SuppressionRuleDeleted(SuppressionRuleEvent, tag="suppression_rule.deleted", frozen=True, kw_only=True):
    pass


class AddressEvent(Event, frozen=True, kw_only=True):
    """A fact about an address on a project's list. `entry_id` is new for each.

    `contact_id` is no contact's: it stands for whoever has the address, and follows from it by a secret of the project.
    So the log can keep the address under a key of its own, and forget it. Older events have none, and the address open.
    """

    service: ClassVar[str] = "delivery"
    stream: ClassVar[str] = "suppression-{entry_id}"
    personal: ClassVar[tuple[str, ...]] = ("address",)
    entry_id: UUID
    address: str
    contact_id: UUID = NOBODY


class AddressSuppressed(AddressEvent, tag="address.suppressed", frozen=True, kw_only=True):
    reason: ListedReason


class AddressReleased(AddressEvent, tag="address.released", frozen=True, kw_only=True):
    pass


class AddressForgotten(AddressEvent, tag="address.forgotten", frozen=True, kw_only=True):
    """The contact who had the address is deleted. From here on the list knows it only by `contact_id`, and holds it for
    the same `reason` as before; null if it did not."""

    reason: ListedReason | None = None


class SuppressionQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"


class ListSuppressionRules(SuppressionQuery, tag="list-suppression-rules", frozen=True, kw_only=True):
    """In the order of their creation. Answers a list of `SuppressionRuleView`."""


class PreviewSuppression(SuppressionQuery, tag="preview-suppression", frozen=True, kw_only=True):
    """Whether an address would get mail. Answers `SuppressionPreview`."""

    address: str


class ListSuppressedAddresses(SuppressionQuery, tag="list-suppressed-addresses", frozen=True, kw_only=True):
    """In alphabetical order, after `cursor`. Answers `SuppressedAddressPage`."""

    limit: int = 20
    cursor: str | None = None
    reason: ListedReason | None = None


class SuppressionRuleView(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    kind: RuleKind
    pattern: str
    enabled: bool
    created_at: Instant
    updated_at: Instant


class SuppressionPreview(View, frozen=True, kw_only=True):
    """`match` is the rule that suppresses the address, `reason` why the address itself is on the list."""

    suppressed: bool
    match: SuppressionRuleView | None = None
    reason: ListedReason | None = None


class SuppressedAddresses(View, frozen=True, kw_only=True):
    """How many were put on the list, and how many were on it already."""

    added: int
    known: int


class SuppressedAddressView(View, frozen=True, kw_only=True):
    address: str
    reason: ListedReason
    since: Instant


class SuppressedAddressPage(Page, frozen=True, kw_only=True):
    data: list[SuppressedAddressView]
