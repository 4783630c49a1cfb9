"""A mail's life, told from two sides: what we did, and what Amazon SES reported. Pure."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from libs.kernel.instants import iso
from libs.schemas.delivery.emails import TimelineEntry
from libs.schemas.feedback.mails import EmailFeedback


def life(done: Sequence[TimelineEntry], known: EmailFeedback) -> list[TimelineEntry]:
    """Both, in the order in which they happened. `done` is in order."""
    if known.confirmed_at is not None:
        accepted = iso(known.confirmed_at)
        done = [*done[:1], *(_dated(entry, before, accepted) for before, entry in pairwise(done))]
    return sorted([*done, *_reported(known)], key=lambda entry: entry.at)


def _dated(entry: TimelineEntry, before: TimelineEntry, accepted: str) -> TimelineEntry:
    """We learn that Amazon SES accepted a mail a moment after it did, and sometimes after the news of its delivery. The
    entry is dated by Amazon SES, then, so that no mail is delivered before it is sent."""
    learned_by_its_answer = entry.type_ == "email.sent" and not entry.details.get("resolved")
    if learned_by_its_answer and before.at <= accepted < entry.at:
        return msgspec.structs.replace(entry, at=accepted)
    return entry


def _reported(known: EmailFeedback) -> list[TimelineEntry]:
    """Each kind of news by the first of its kind, in no order."""
    told = (
        ("email.confirmed", known.confirmed_at, "Amazon SES said that it has the mail"),
        ("email.delayed", known.delayed_at, "Delivery is delayed: Amazon SES goes on trying"),
        ("email.delivered", known.delivered_at, "The recipient's mail server took it"),
        ("email.opened", known.opened_at, f"Opened; {known.opens} times in all"),
        ("email.clicked", known.clicked_at, f"A link was clicked; {known.clicks} clicks in all"),
        ("email.bounced", known.bounced_at, "Came back for good"),
        ("email.bounced", known.soft_bounced_at, "Came back for now"),
        ("email.complained", known.complained_at, "The recipient complained about it"),
        ("email.rejected", known.rejected_at, "Amazon SES refused to deliver it"),
    )
    return [TimelineEntry(at=iso(at), type_=kind, message=message) for kind, at, message in told if at]
