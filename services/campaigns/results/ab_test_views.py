"""A/B tests in the shapes of the API: as a part of a campaign, and their variants beside each other."""

from collections.abc import Mapping
from typing import Any

from libs.kernel.instants import iso
from libs.schemas.campaigns.ab_tests import (
    AbTestResults,
    AbTestView,
    DecisionView,
    TestedVariant,
    VariantResult,
    WinnerBy,
)
from services.campaigns.ab_tests import variants
from services.campaigns.ab_tests.decision import Experiment, best
from services.campaigns.ab_tests.read_models.campaign_experiment import REST, Counts, figures
from services.campaigns.campaigns.draft import Draft
from services.campaigns.results.rates import percent

NOBODY: Mapping[str, int] = {}
NOT_RUNNING = Experiment()


def ab_test_view(draft: Draft, run: Experiment | None) -> AbTestView | None:
    if draft.ab_test is None:
        return None
    test, so_far = draft.ab_test, run or NOT_RUNNING
    return AbTestView(
        variants=test.variants,
        share_percent=test.share_percent,
        winner_by=test.winner_by,
        decide_after_minutes=test.decide_after_minutes,
        phase=run.phase if run else None,
        decide_at=iso(so_far.decide_at) if so_far.decide_at else None,
        winner=so_far.winner,
        decided_by=so_far.decided_by,
        decided_at=iso(so_far.decided_at) if so_far.decided_at else None,
    )


def results_view(
    draft: Draft, run: Experiment | None, counted: Mapping[str, Counts], left: Mapping[str, int] = NOBODY
) -> AbTestResults:
    """`counted` and `left`, how many unsubscribed, are by the variants' keys."""
    test, so_far = draft.ab_test, run or NOT_RUNNING
    assert test, "only a test has results"
    shown: list[TestedVariant] = []
    for variant in test.variants:
        counts = counted.get(variant.key, Counts())
        first = counted.get(test.variants[0].key, Counts())
        shown.append(
            TestedVariant(
                key=variant.key,
                subject=variants.filled(variant, draft.content).subject or None,
                lift=_lift(counts, first, test.winner_by) if shown else None,
                **_result(counts, left.get(variant.key, 0)),
            )
        )
    return AbTestResults(
        phase=run.phase if run else None,
        winner_by=test.winner_by,
        share_percent=test.share_percent,
        decide_at=iso(so_far.decide_at) if so_far.decide_at else None,
        variants=shown,
        leader=best(figures(test.keys, counted), test.winner_by).key
        if any(each.sent_count for each in shown)
        else None,
        rest=VariantResult(**_result(counted.get(REST, Counts()), left.get(REST, 0))),
        decision=_decision_view(so_far),
    )


def _decision_view(run: Experiment) -> DecisionView | None:
    if run.winner is None or run.decided_by is None or run.decided_at is None:
        return None
    return DecisionView(
        winner=run.winner,
        decided_by=run.decided_by,
        decided_at=iso(run.decided_at),
        tied=run.tied,
        figures=run.figures,
    )


def _result(counts: Counts, unsubscribed: int) -> dict[str, Any]:
    return {
        "total_recipients": counts.resolved,
        "sent_count": counts.sent,
        "failed_count": counts.failed,
        "suppressed_count": counts.suppressed,
        "cancelled_count": counts.cancelled,
        "delivered_count": counts.delivered,
        "opened_count": counts.opened,
        "clicked_count": counts.clicked,
        "total_opens": counts.opens,
        "total_clicks": counts.clicks,
        "hard_bounced_count": counts.hard_bounced,
        "soft_bounced_count": counts.soft_bounced,
        "complained_count": counts.complained,
        "unsubscribed_count": unsubscribed,
        "delivery_rate": percent(counts.delivered, counts.sent),
        "open_rate": percent(counts.opened, counts.sent),
        "click_rate": percent(counts.clicked, counts.sent),
        "complaint_rate": percent(counts.complained, counts.sent),
        "unsubscribe_rate": percent(unsubscribed, counts.sent),
    }


def _lift(counts: Counts, first: Counts, winner_by: WinnerBy) -> float | None:
    """By how many percent the rate of what decides is above that of the first."""
    name = "opened" if winner_by == "opens" else "clicked"
    base = getattr(first, name) * counts.sent
    return round(100 * getattr(counts, name) * first.sent / base - 100, 2) if base else None
