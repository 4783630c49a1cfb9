"""What SES says of the account. Pure."""

import msgspec


class SendQuota(msgspec.Struct, frozen=True, kw_only=True):
    """Mails per second and per 24 hours that SES allows, and the number sent in the last 24 hours."""

    per_second: float
    per_day: float
    sent_today: float
