"""Whether a mail is withheld from its recipient."""

import pytest

from libs.schemas.delivery.content import Kind
from libs.schemas.delivery.emails import Source, SuppressionReason
from services.delivery.suppression.withholding import suppression


@pytest.mark.parametrize(
    ("kind", "source", "subscribed", "listed", "reason"),
    [
        ("MARKETING", "CAMPAIGN", True, None, None),
        ("MARKETING", "CAMPAIGN", False, None, "unsubscribed"),
        ("MARKETING", "TRANSACTIONAL", False, None, "unsubscribed"),
        ("HEADLESS", "CAMPAIGN", False, None, "unsubscribed"),
        ("HEADLESS", "WORKFLOW", False, None, "unsubscribed"),
        ("HEADLESS", "TRANSACTIONAL", False, None, None),
        ("TRANSACTIONAL", "WORKFLOW", False, None, None),
        ("TRANSACTIONAL", "TRANSACTIONAL", False, None, None),
        ("MARKETING", "CAMPAIGN", True, "complained", "complained"),
        ("TRANSACTIONAL", "TRANSACTIONAL", False, "complained", None),
        ("TRANSACTIONAL", "TRANSACTIONAL", True, "bounced", "bounced"),
        ("MARKETING", "WORKFLOW", True, "bounced", "bounced"),
    ],
)
def test_consent_and_address_decide_who_gets_which_mail(
    kind: Kind,
    source: Source,
    subscribed: bool,
    listed: SuppressionReason | None,
    reason: SuppressionReason | None,
) -> None:
    assert suppression(kind, source, subscribed, listed) == reason
