"""Messages of the delivery service about suppression: rules and a list of addresses that get no mail."""

from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Command, Event, Instant, Page, Query, View

RuleKind = Literal["ADDRESS", "DOMAIN", "PREFIX", "SUFFIX", "WILDCARD"]
NOBODY = UUID(int=0)
ListedReason = Literal["BOUNCE", "COMPLAINT", "MANUAL", "REPEATED_BOUNCE"]
"""BOUNCE is a permanent bounce; REPEATED_BOUNCE means several transient bounces in a row without a delivery."""


class SuppressionCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"


class CreateSuppressionRule(SuppressionCommand, tag="create-suppression-rule", frozen=True, kw_only=True):
    """Create a rule. Replies with `SuppressionRuleView`."""

    rule_id: UUID
    name: str
    kind: RuleKind
    pattern: str
    enabled: bool = True


class UpdateSuppressionRule(SuppressionCommand, tag="update-suppression-rule", frozen=True, kw_only=True):
    """Replace all fields of a rule. Replies with `SuppressionRuleView`."""

    rule_id: UUID
    name: str
    kind: RuleKind
    pattern: str
    enabled: bool = True


class DeleteSuppressionRule(SuppressionCommand, tag="delete-suppression-rule", frozen=True, kw_only=True):
    """Delete a rule. Replies with `SuppressionRuleView` as it was."""

    rule_id: UUID


class SuppressAddresses(SuppressionCommand, tag="suppress-addresses", frozen=True, kw_only=True):
    """Put addresses on the project's list, in lower case and without duplicates. Replies with `SuppressedAddresses`."""

    addresses: list[str]
    reason: ListedReason = "MANUAL"


class ReleaseAddress(SuppressionCommand, tag="release-address", frozen=True, kw_only=True):
    """Remove an address from the list, whatever its reason. Replies with `SuppressedAddressView` as it was."""

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
    """A fact about an address on a project's list. Each entry has a new `entry_id`.

    `contact_id` is not the id of a contact. It is derived from the address with a secret of the project, so that the
    log can encrypt the address under a key of its own and forget it. Older events do not have it, and their address is
    not encrypted.
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
    """The contact with the address was deleted, so from now on the list has the address only as `contact_id`.

    It stays on the list for the same `reason`, which is null if it was not on it. `reported` is true if SES reported
    the bounce or complaint, and in all events that do not have the field.
    """

    reason: ListedReason | None = None
    reported: bool = True


class SuppressionQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "delivery"


class ListSuppressionRules(SuppressionQuery, tag="list-suppression-rules", frozen=True, kw_only=True):
    """List rules in the order of their creation. Replies with a list of `SuppressionRuleView`."""


class PreviewSuppression(SuppressionQuery, tag="preview-suppression", frozen=True, kw_only=True):
    """Check whether an address is suppressed. Replies with `SuppressionPreview`."""

    address: str


class ListSuppressedAddresses(SuppressionQuery, tag="list-suppressed-addresses", frozen=True, kw_only=True):
    """List addresses in alphabetical order, after `cursor`. Replies with `SuppressedAddressPage`."""

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
    """Whether an address is suppressed: `match` is the rule that does it, `reason` why the address is on the list."""

    suppressed: bool
    match: SuppressionRuleView | None = None
    reason: ListedReason | None = None


class SuppressedAddresses(View, frozen=True, kw_only=True):
    """How many addresses were put on the list (`added`) and how many were on it already (`known`)."""

    added: int
    known: int


class SuppressedAddressView(View, frozen=True, kw_only=True):
    address: str
    reason: ListedReason
    since: Instant


class SuppressedAddressPage(Page, frozen=True, kw_only=True):
    data: list[SuppressedAddressView]
