"""The outcomes of an accepted message: which events it will cause, and when. Pure and repeatable.

Mailbox-simulator addresses behave as AWS documents them; suppressed addresses bounce. For all others the configured
rates decide, by a hash of the message id and the address (or of a seed and the address, so that a run is repeatable).
"""

from collections.abc import Container, Sequence
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec

EventType = Literal["Send", "Delivery", "Bounce", "Complaint", "Open", "Click", "DeliveryDelay", "Reject"]
Rate = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)]

SIMULATOR = "@simulator.amazonses.com"
UNKNOWN_USER = "Permanent/General"
SUPPRESSED = "Permanent/OnAccountSuppressionList"
AUTOMATIC_REPLY = "Transient/General"


class Delays(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Delays in seconds after acceptance. Complaints and opens count from the delivery, clicks from the open."""

    send: Seconds = 0.0
    delivery: Seconds = 0.3
    bounce: Seconds = 0.5
    delivery_delay: Seconds = 0.2
    reject: Seconds = 0.2
    complaint: Seconds = 2.0
    open: Seconds = 2.0
    click: Seconds = 2.0


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Shares of all messages (bounce, reject, deliveryDelay) or of delivered ones. Every click implies an open."""

    bounce: Rate = 0.02
    complaint: Rate = 0.002
    open: Rate = 0.35
    click: Rate = 0.08
    delivery_delay: Rate = 0.0
    reject: Rate = 0.0
    delays: Delays = Delays()
    seed: int | None = None


class Outcome(msgspec.Struct, frozen=True):
    """One event to report. An empty recipient stands for all recipients of the message."""

    kind: EventType
    after: float
    recipient: str = ""
    detail: str = ""

    @property
    def suppresses(self) -> bool:
        """Whether the event puts its recipient on the suppression list. Simulator addresses never are."""
        hard = self.kind == "Complaint" or self.detail == UNKNOWN_USER
        return hard and not self.recipient.lower().endswith(SIMULATOR)


def outcomes(
    message_id: str,
    recipients: Sequence[str],
    *,
    tracked: bool,
    suppressed: Container[str],
    behaviour: Behaviour,
) -> list[Outcome]:
    """Return the events that a message will cause.

    `suppressed` contains lower-case addresses; `tracked` says whether opens and clicks may be reported.
    """
    planned = [Outcome("Send", behaviour.delays.send)]
    for recipient in recipients:
        planned += _for_recipient(message_id, recipient, tracked, suppressed, behaviour)
    return planned


def _for_recipient(
    message_id: str, recipient: str, tracked: bool, suppressed: Container[str], behaviour: Behaviour
) -> list[Outcome]:
    address, delays = recipient.lower(), behaviour.delays
    if address.endswith(SIMULATOR):
        return _simulated(address, recipient, delays)
    if address in suppressed:
        return [Outcome("Bounce", delays.bounce, recipient, SUPPRESSED)]
    return _by_chance(
        Chances(message_id if behaviour.seed is None else behaviour.seed, address), recipient, tracked, behaviour
    )


def _simulated(address: str, recipient: str, delays: Delays) -> list[Outcome]:
    delivered = Outcome("Delivery", delays.delivery, recipient)
    match address.removesuffix(SIMULATOR).partition("+")[0]:
        case "bounce":
            return [Outcome("Bounce", delays.bounce, recipient, UNKNOWN_USER)]
        case "suppressionlist":
            return [Outcome("Bounce", delays.bounce, recipient, SUPPRESSED)]
        case "complaint":
            return [delivered, Outcome("Complaint", delays.delivery + delays.complaint, recipient)]
        case "ooto":
            return [delivered, Outcome("Bounce", delays.delivery + delays.bounce, recipient, AUTOMATIC_REPLY)]
        case _:
            return [delivered]


def _by_chance(chance: "Chances", recipient: str, tracked: bool, behaviour: Behaviour) -> list[Outcome]:
    delays = behaviour.delays
    if chance.of_reject < behaviour.reject:
        return [Outcome("Reject", delays.reject, recipient)]
    if chance.of_bounce < behaviour.bounce:
        return [Outcome("Bounce", delays.bounce, recipient, UNKNOWN_USER)]
    planned = []
    if chance.of_delay < behaviour.delivery_delay:
        planned.append(Outcome("DeliveryDelay", delays.delivery_delay, recipient))
    delivered_after = delays.delivery + (delays.delivery_delay if planned else 0.0)
    planned.append(Outcome("Delivery", delivered_after, recipient))
    if chance.of_complaint < behaviour.complaint:
        planned.append(Outcome("Complaint", delivered_after + delays.complaint, recipient))
    if tracked:
        planned += _engagement(chance, recipient, delivered_after, behaviour)
    return planned


def _engagement(chance: "Chances", recipient: str, delivered_after: float, behaviour: Behaviour) -> list[Outcome]:
    clicked = chance.of_interest < behaviour.click
    if not clicked and chance.of_interest >= behaviour.open:
        return []
    opened_after = delivered_after + behaviour.delays.open * chance.patience
    opened = Outcome("Open", opened_after, recipient)
    if not clicked:
        return [opened]
    return [opened, Outcome("Click", opened_after + behaviour.delays.click * chance.patience, recipient)]


class Chances:
    """Independent numbers in [0, 1), always the same for the same key and address."""

    def __init__(self, key: object, address: str) -> None:
        digest = blake2b(f"{key}|{address}".encode(), digest_size=24).digest()
        draws = [int.from_bytes(digest[i : i + 4], "big") / 2**32 for i in range(0, 24, 4)]
        self.of_reject, self.of_bounce, self.of_delay, self.of_complaint, self.of_interest, waiting = draws
        self.patience = 0.5 + waiting  # spreads opens and clicks over 0.5 to 1.5 times their delay
