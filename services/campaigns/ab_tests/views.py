"""A/B tests in the shape of the API, as a part of their campaign."""

from libs.kernel.instants import iso
from libs.schemas.campaigns.ab_tests import AbTest, AbTestView
from services.campaigns.ab_tests.decision import AbTestProgress

NOT_STARTED = AbTestProgress()


def ab_test_view(test: AbTest, running: AbTestProgress | None) -> AbTestView:
    """Return the view of a test. `running` is None before its campaign is sent."""
    progress = running or NOT_STARTED
    return AbTestView(
        variants=test.variants,
        share_percent=test.share_percent,
        winner_by=test.winner_by,
        decide_after_minutes=test.decide_after_minutes,
        phase=running.phase if running else None,
        decide_at=iso(progress.decide_at) if progress.decide_at else None,
        winner=progress.winner,
        decided_by=progress.decided_by,
        decided_at=iso(progress.decided_at) if progress.decided_at else None,
    )
