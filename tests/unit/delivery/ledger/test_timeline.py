"""A mail's life in sentences."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from libs.schemas.delivery.emails import SuppressionReason
from services.delivery.ledger.timeline import entry

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("reason", get_args(SuppressionReason))
def test_why_a_mail_was_not_sent_is_a_sentence(reason: str) -> None:
    told = entry("email.suppressed", AT, {"reason": reason})
    assert told.message.startswith("Not sent: ") and len(told.message.split()) > 4
    assert told.details == {"reason": reason}
