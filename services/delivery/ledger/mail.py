"""An email intent with everything that is needed to write the mail. Pure."""

from libs.schemas.delivery.content import Content, MailOptions
from libs.schemas.delivery.emails import SuppressionReason
from services.delivery.ledger.email import Email

NO_OPTIONS = MailOptions()
"""Options of a mail that has nothing beyond its content, such as every mail of a campaign."""


class Mail(Email, frozen=True, kw_only=True):
    """`data` belongs to this mail, `contact_data` to the contact; both are JSON texts that are decoded for rendering.

    `untrusted` is a JSON list of the keys of `contact_data` whose values anybody may have written.
    `begun` is the time on this process's monotonic clock just before the claim.
    """

    recipient: str
    content: Content
    data: str
    contact_data: str
    untrusted: str = "[]"
    subscribed: bool
    listed: SuppressionReason | None
    begun: float = 0.0
    extras: MailOptions = NO_OPTIONS
    language: str | None = None
    """The project's language, for contacts whose data names none."""
    timezone: str | None = None
    """The project's time zone, for contacts whose data names none."""
    tracked: bool = True
    """Whether opens and clicks are tracked."""
