"""What Amazon SES reported of a mail, as entries of its timeline. Pure."""

from libs.runtime.clock import iso
from libs.schemas.delivery import TimelineEntry
from libs.schemas.feedback import EmailFeedback


def reported_facts(known: EmailFeedback) -> list[TimelineEntry]:
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
