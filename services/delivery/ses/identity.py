"""What SES says of a sending domain. Pure."""

import msgspec

from libs.schemas.delivery.domains import DomainVerification


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A sending domain as SES sees it: `verified` is whether SES accepts mail from it, `status` is for people."""

    tokens: tuple[str, ...]
    mail_from: str | None
    verified: bool
    status: DomainVerification
