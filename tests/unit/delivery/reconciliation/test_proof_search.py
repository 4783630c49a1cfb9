"""Which mails nothing can be on its way of any more."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.delivery.ledger.timing import timing
from services.delivery.reconciliation.proof_search import excluded

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GRACE = timedelta(seconds=timing(None).grace("TRANSACTIONAL"))
MAIL: Any = {"id": UUID(int=1), "claimed_at": NOW, "source": "TRANSACTIONAL"}


def test_of_a_mail_nothing_is_on_its_way_when_no_notification_waits() -> None:
    assert excluded([MAIL], None, timing(None)) == {MAIL["id"]}


def test_nor_when_all_that_wait_came_in_after_its_grace() -> None:
    assert excluded([MAIL], NOW + GRACE + timedelta(seconds=1), timing(None)) == {MAIL["id"]}


def test_one_that_came_in_before_the_end_of_grace_may_be_the_mails_own() -> None:
    assert excluded([MAIL], NOW + GRACE, timing(None)) == set()
