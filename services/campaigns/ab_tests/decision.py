"""The run of a campaign's A/B test: when its winner is decided, and which variant wins. Pure.

TESTING, while the mails of the test go out -> WAITING, until `decide_at` -> DECIDED

It goes its way beside the campaign's status: pausing holds the mails, not the clock. An operator may choose the winner
before; and where the audience is so small that a variant has nobody, nothing is waited for.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.campaigns.ab_tests import (
    AbTest,
    AbTestPhase,
    DecidedBy,
    VariantFigures,
    WinnerBy,
)
from libs.schemas.campaigns.campaigns import CampaignTestSent, CampaignWinnerDecided, ChooseWinner
from services.campaigns.ab_tests import variants
from services.campaigns.campaigns.draft import Draft
from services.campaigns.campaigns.timers import WinnerDue


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """How far the test is. What comes after `decide_at` is the decision."""

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


class Best(msgspec.Struct, frozen=True):
    """`tied` says that another variant had the same rate of what decides."""

    key: str
    tied: bool


def evolve(run: Experiment, event: CampaignTestSent | CampaignWinnerDecided) -> Experiment:
    match event:
        case CampaignTestSent(decide_at=decide_at):
            return replace(run, decide_at=decide_at)
        case CampaignWinnerDecided():
            return replace(
                run,
                winner=event.variant,
                decided_by=event.decided_by,
                decided_at=event.decided_at,
                figures=event.figures,
                tied=event.tied,
            )


def best(figures: Sequence[VariantFigures], winner_by: WinnerBy) -> Best:
    """The variant with the highest rate of unique opens or clicks, of its mails that were sent.

    Of those that are equal in it, the one with the higher rate of the other; of those that are equal in both, the
    first.
    """
    first = max(figures, key=lambda each: _rates(each, winner_by))
    highest = _rates(first, winner_by)[0]
    return Best(first.key, sum(_rates(each, winner_by)[0] == highest for each in figures) > 1)


def sent(campaign_id: UUID, test: AbTest, now: datetime) -> CampaignTestSent:
    return CampaignTestSent(campaign_id=campaign_id, decide_at=now + timedelta(minutes=test.decide_after_minutes))


def fall_due(
    due: WinnerDue, draft: Draft, run: Experiment, figures: Sequence[VariantFigures], now: datetime
) -> list[CampaignWinnerDecided]:
    """Decide what is due, unless somebody did before."""
    if run.winner is not None or run.decide_at != due.decide_at:
        return []
    return [decided(due.campaign_id, draft, figures, "deadline", now)]


def choose(
    command: ChooseWinner, draft: Draft, run: Experiment | None, figures: Sequence[VariantFigures], now: datetime
) -> list[CampaignWinnerDecided]:
    """Raises Rejected if there is nothing to choose, or somebody else has chosen otherwise."""
    if run is None or draft.ab_test is None:
        raise Rejected("AB_TEST_NOT_FOUND", "The campaign has no A/B test")
    if command.variant is not None:
        variants.chosen(draft.ab_test, command.variant)
    if run.winner is None:
        return [decided(command.campaign_id, draft, figures, "operator", now, command.variant)]
    if command.variant in (None, run.winner):
        return []
    raise Rejected(
        "AB_TEST_ALREADY_DECIDED", f"The winner is variant {run.winner} already", details={"winner": run.winner}
    )


def decided(
    campaign_id: UUID,
    draft: Draft,
    figures: Sequence[VariantFigures],
    by: DecidedBy,
    now: datetime,
    key: str | None = None,
) -> CampaignWinnerDecided:
    """That the rest gets this variant, or the best one."""
    assert draft.ab_test, "only a test has a winner"
    winner = best(figures, draft.ab_test.winner_by)
    key = winner.key if key is None else key
    return CampaignWinnerDecided(
        campaign_id=campaign_id,
        variant=key,
        content=draft.mail_of(key),
        decided_by=by,
        decided_at=now,
        winner_by=draft.ab_test.winner_by,
        figures=list(figures),
        tied=winner.tied,
    )


def _rates(figures: VariantFigures, winner_by: WinnerBy) -> tuple[Fraction, Fraction]:
    """The rate of what decides, and of the other. Where nothing was sent both are 0."""
    opens, clicks = Fraction(figures.opened, figures.sent or 1), Fraction(figures.clicked, figures.sent or 1)
    return (opens, clicks) if winner_by == "opens" else (clicks, opens)
