"""The course of a campaign's A/B test: when the winner is decided, and which variant wins. Pure.

    TESTING until the mails of the test are out -> WAITING until `decide_at` -> DECIDED

The test runs independently of the campaign's status: pausing a campaign holds its mails, but does not move `decide_at`.
An operator may choose the winner earlier. Where the audience is so small that a variant has no recipients, the winner
is decided at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.campaigns.ab_tests import AbTest, AbTestPhase, DecidedBy, VariantFigures, WinnerBy
from libs.schemas.campaigns.campaigns import CampaignTestSent, CampaignWinnerDecided, ChooseWinner
from services.campaigns.ab_tests.timers import WinnerDue
from services.campaigns.ab_tests.variant_content import AbTestContent, variant_of


class AbTestProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the A/B test of a campaign is. All fields but `decide_at` are those of the decision."""

    decide_at: datetime | None = None
    winner: str | None = None
    decided_by: DecidedBy | None = None
    decided_at: datetime | None = None
    figures: list[VariantFigures] = []
    tied: bool = False

    @property
    def phase(self) -> AbTestPhase:
        if self.winner is not None:
            return "DECIDED"
        return "WAITING" if self.decide_at else "TESTING"


class BestVariant(msgspec.Struct, frozen=True):
    """A variant that wins. `tied` means that another variant had the same rate."""

    key: str
    tied: bool


def evolve(progress: AbTestProgress, event: CampaignTestSent | CampaignWinnerDecided) -> AbTestProgress:
    match event:
        case CampaignTestSent(decide_at=decide_at):
            return replace(progress, decide_at=decide_at)
        case CampaignWinnerDecided():
            return replace(
                progress,
                winner=event.variant,
                decided_by=event.decided_by,
                decided_at=event.decided_at,
                figures=event.figures,
                tied=event.tied,
            )


def wait_for_winner(campaign_id: UUID, test: AbTest, now: datetime) -> CampaignTestSent:
    return CampaignTestSent(campaign_id=campaign_id, decide_at=now + timedelta(minutes=test.decide_after_minutes))


def decide_when_due(
    due: WinnerDue, tested: AbTestContent, progress: AbTestProgress, figures: Sequence[VariantFigures], now: datetime
) -> list[CampaignWinnerDecided]:
    """Decide the winner, unless it was decided before or the timer is outdated."""
    if progress.winner is not None or progress.decide_at != due.decide_at:
        return []
    return [decide_winner(due.campaign_id, tested, figures, "deadline", now)]


def choose_winner(
    command: ChooseWinner,
    tested: AbTestContent | None,
    progress: AbTestProgress | None,
    figures: Sequence[VariantFigures],
    now: datetime,
) -> list[CampaignWinnerDecided]:
    """Decide for the variant of the command, or for the best one.

    Raise Rejected if there is no test, no such variant, or another winner already.
    """
    if tested is None or progress is None:
        raise Rejected("AB_TEST_NOT_FOUND", "The campaign has no A/B test")
    if command.variant is not None:
        variant_of(tested.test, command.variant)
    if progress.winner is None:
        return [decide_winner(command.campaign_id, tested, figures, "operator", now, command.variant)]
    if command.variant in (None, progress.winner):
        return []
    raise Rejected(
        "AB_TEST_ALREADY_DECIDED",
        f"The A/B test is already decided: variant {progress.winner} won",
        details={"winner": progress.winner},
    )


def decide_winner(
    campaign_id: UUID,
    tested: AbTestContent,
    figures: Sequence[VariantFigures],
    decided_by: DecidedBy,
    now: datetime,
    key: str | None = None,
) -> CampaignWinnerDecided:
    """Return the decision for the variant with this key, or for the best one."""
    best = best_variant(figures, tested.test.winner_by)
    winner = best.key if key is None else key
    return CampaignWinnerDecided(
        campaign_id=campaign_id,
        variant=winner,
        content=tested.mail_of(winner),
        decided_by=decided_by,
        decided_at=now,
        winner_by=tested.test.winner_by,
        figures=list(figures),
        tied=best.tied,
    )


def best_variant(figures: Sequence[VariantFigures], winner_by: WinnerBy) -> BestVariant:
    """Return the variant with the highest rate of unique opens or clicks among its sent mails.

    Of variants with equal rates, the one with the higher other rate wins; if that is equal, too, the first one.
    """
    first = max(figures, key=lambda each: _rates(each, winner_by))
    highest = _rates(first, winner_by)[0]
    return BestVariant(first.key, sum(_rates(each, winner_by)[0] == highest for each in figures) > 1)


def _rates(figures: VariantFigures, winner_by: WinnerBy) -> tuple[Fraction, Fraction]:
    """Return the rate that decides and the other one. Both are 0 where nothing was sent."""
    opens, clicks = Fraction(figures.opened, figures.sent or 1), Fraction(figures.clicked, figures.sent or 1)
    return (opens, clicks) if winner_by == "opens" else (clicks, opens)
