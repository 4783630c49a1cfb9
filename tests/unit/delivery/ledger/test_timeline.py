"""The sentences of a mail's timeline."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from libs.schemas.delivery.emails import SuppressionReason
from services.delivery.ledger.timeline import entry

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("reason", get_args(SuppressionReason))
def test_every_reason_for_suppression_has_a_sentence(reason: str) -> None:
    shown = entry("email.suppressed", AT, {"reason": reason})
    assert shown.message.startswith("Not sent: ") and len(shown.message.split()) > 4
    assert shown.details == {"reason": reason}
