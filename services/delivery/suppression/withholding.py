"""Decides whether a mail must be withheld from its recipient. Pure."""

from collections.abc import Sequence

import msgspec

from libs.schemas.delivery.content import Kind
from libs.schemas.delivery.emails import Source, SuppressionReason
from services.delivery.suppression.rule import Rule, first_match


class Recipient(msgspec.Struct, frozen=True):
    """`listed` is why the address is blocked (see `listing`), `subscribed` the contact's consent."""

    address: str
    subscribed: bool
    listed: SuppressionReason | None


class Withheld(msgspec.Struct, frozen=True):
    """Why a recipient gets no mail; `rule` is the name of the suppression rule, if one is the reason."""

    reason: SuppressionReason
    rule: str | None = None


def withheld(kind: Kind, source: Source, recipient: Recipient, rules: Sequence[Rule]) -> Withheld | None:
    """Return why the recipient must not get a mail of this kind; None if they may."""
    if reason := suppression(kind, source, recipient.subscribed, recipient.listed):
        return Withheld(reason)
    if rule := first_match(rules, recipient.address):
        return Withheld("rule", rule.name)
    return None


def suppression(
    kind: Kind, source: Source, subscribed: bool, listed: SuppressionReason | None
) -> SuppressionReason | None:
    """Return why consent or the address forbids the mail; None if neither does.

    Nothing is sent to an address that does not exist or that somebody listed. Someone who complained or unsubscribed
    gets the mails they asked for and nothing else.
    """
    if listed in ("bounced", "erased", "listed", "rule"):
        return listed
    if kind == "TRANSACTIONAL" or (kind == "HEADLESS" and source == "TRANSACTIONAL"):
        return None
    if listed:
        return listed
    return None if subscribed else "unsubscribed"
