"""For which mails no notification can be on its way any more."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.delivery.ledger.timing import timing
from services.delivery.reconciliation.proof_search import excluded

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GRACE = timedelta(seconds=timing(None).grace("TRANSACTIONAL"))
MAIL: Any = {"id": UUID(int=1), "claimed_at": NOW, "source": "TRANSACTIONAL"}


def test_nothing_is_on_its_way_if_no_notification_is_unhandled() -> None:
    assert excluded([MAIL], None, timing(None)) == {MAIL["id"]}


def test_nothing_is_on_its_way_if_all_unhandled_notifications_arrived_after_the_grace_period() -> None:
    assert excluded([MAIL], NOW + GRACE + timedelta(seconds=1), timing(None)) == {MAIL["id"]}


def test_a_notification_from_before_the_end_of_the_grace_period_may_be_the_mails_own() -> None:
    assert excluded([MAIL], NOW + GRACE, timing(None)) == set()
