"""The results of A/B tests in the shape of the API: the variants next to each other."""

from collections.abc import Mapping

from libs.kernel.instants import iso
from libs.schemas.campaigns.ab_tests import AbTestResults, DecisionView, TestedVariant, VariantResult, WinnerBy
from services.campaigns.ab_tests.decision import AbTestProgress, best_variant
from services.campaigns.ab_tests.read_models.campaign_experiment import REST, VariantCounts, figures
from services.campaigns.ab_tests.variant_content import AbTestContent
from services.campaigns.ab_tests.views import NOT_STARTED
from services.campaigns.results.outcomes import outcome_fields

NO_UNSUBSCRIBES: Mapping[str, int] = {}
NOTHING = VariantCounts()


def results_view(
    tested: AbTestContent,
    running: AbTestProgress | None,
    counts: Mapping[str, VariantCounts],
    unsubscribed: Mapping[str, int] = NO_UNSUBSCRIBES,
) -> AbTestResults:
    """Return the results of a test. `counts` and `unsubscribed` are by the keys of the variants."""
    test, progress = tested.test, running or NOT_STARTED
    variants = _variant_results(tested, counts, unsubscribed)
    is_sent = any(variant.sent_count for variant in variants)
    rest = counts.get(REST, NOTHING)
    return AbTestResults(
        phase=running.phase if running else None,
        winner_by=test.winner_by,
        share_percent=test.share_percent,
        decide_at=iso(progress.decide_at) if progress.decide_at else None,
        variants=variants,
        leader=best_variant(figures(test.keys, counts), test.winner_by).key if is_sent else None,
        rest=VariantResult(total_recipients=rest.resolved, **outcome_fields(rest, unsubscribed.get(REST, 0))),
        decision=_decision_view(progress),
    )


def _variant_results(
    tested: AbTestContent, counts: Mapping[str, VariantCounts], unsubscribed: Mapping[str, int]
) -> list[TestedVariant]:
    first, *others = [counts.get(key, NOTHING) for key in tested.test.keys]
    lifts = [None, *(_lift(other, first, tested.test.winner_by) for other in others)]
    return [
        TestedVariant(
            key=key,
            subject=content.subject or None,
            lift=lift,
            total_recipients=counted.resolved,
            **outcome_fields(counted, unsubscribed.get(key, 0)),
        )
        for key, content, counted, lift in zip(tested.test.keys, tested.contents, [first, *others], lifts, strict=True)
    ]


def _decision_view(progress: AbTestProgress) -> DecisionView | None:
    if progress.winner is None or progress.decided_by is None or progress.decided_at is None:
        return None
    return DecisionView(
        winner=progress.winner,
        decided_by=progress.decided_by,
        decided_at=iso(progress.decided_at),
        tied=progress.tied,
        figures=progress.figures,
    )


def _lift(counts: VariantCounts, first: VariantCounts, winner_by: WinnerBy) -> float | None:
    """Return by how many percent the rate that decides is above that of the first variant."""
    name = "opened" if winner_by == "opens" else "clicked"
    base = getattr(first, name) * counts.sent
    return round(100 * getattr(counts, name) * first.sent / base - 100, 2) if base else None
