"""The timeline of a mail, from two sources: what we did, and what Amazon SES reported. Pure."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from libs.kernel.instants import iso
from libs.schemas.delivery.emails import TimelineEntry
from libs.schemas.feedback.mails import EmailFeedback


def timeline_of(done: Sequence[TimelineEntry], feedback: EmailFeedback) -> list[TimelineEntry]:
    """Return the entries of both sources in the order of their time. `done` is in order already."""
    if feedback.confirmed_at is not None:
        accepted = iso(feedback.confirmed_at)
        done = [*done[:1], *(_dated(entry, before, accepted) for before, entry in pairwise(done))]
    return sorted([*done, *_reported(feedback)], key=lambda entry: entry.at)


def _dated(entry: TimelineEntry, before: TimelineEntry, accepted: str) -> TimelineEntry:
    """Date `email.sent` by Amazon SES, so that no mail is delivered before it is sent.

    We learn that Amazon SES accepted a mail a moment after it did, sometimes even after the news of the delivery.
    """
    learned_by_its_answer = entry.type_ == "email.sent" and not entry.details.get("resolved")
    if learned_by_its_answer and before.at <= accepted < entry.at:
        return msgspec.structs.replace(entry, at=accepted)
    return entry


def _reported(feedback: EmailFeedback) -> list[TimelineEntry]:
    """Return an entry for the first report of each kind, in no particular order."""
    reports = (
        ("email.confirmed", feedback.confirmed_at, "Amazon SES confirmed that it accepted the mail"),
        ("email.delayed", feedback.delayed_at, "Delivery is delayed; Amazon SES keeps trying"),
        ("email.delivered", feedback.delivered_at, "The recipient's mail server accepted the mail"),
        ("email.opened", feedback.opened_at, f"Opened ({feedback.opens} opens in total)"),
        ("email.clicked", feedback.clicked_at, f"A link was clicked ({feedback.clicks} clicks in total)"),
        ("email.bounced", feedback.bounced_at, "Bounced permanently"),
        ("email.bounced", feedback.soft_bounced_at, "Bounced temporarily"),
        ("email.complained", feedback.complained_at, "The recipient complained about the mail"),
        ("email.rejected", feedback.rejected_at, "Amazon SES rejected the mail"),
    )
    return [TimelineEntry(at=iso(at), type_=kind, message=message) for kind, at, message in reports if at]
