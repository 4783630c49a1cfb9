"""The state of a campaign that commands are decided on. Pure."""

from datetime import datetime
from typing import TypeAlias

import msgspec

from libs.schemas.campaigns.ab_tests import VariantFigures
from libs.schemas.campaigns.campaigns import (
    CampaignFailure,
    CampaignStatus,
    Readiness,
)
from services.campaigns.ab_tests.decision import AbTestProgress
from services.campaigns.campaigns.draft import Draft
from services.campaigns.campaigns.requirements import missing_for_sending
from services.campaigns.runs.run import Run


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """There is no such campaign. `original` is the draft that a duplicate copies."""

    original: Draft | None = None
    verified_domains: frozenset[str] = frozenset()


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign. The times are those of its row, and None until it is stored.

    `verified_domains`, the `figures` of the A/B test and `run` do not follow from the campaign's own events: they are
    loaded where they are needed. `transitioned` means that the status was changed since the state was loaded,
    `transitioned_at` is when it was last changed before. Both ignore the changes that sending itself brings about.
    """

    draft: Draft
    status: CampaignStatus = "DRAFT"
    scheduled_for: datetime | None = None
    failure: CampaignFailure | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    sent_at: datetime | None = None
    transitioned_at: datetime | None = None
    transitioned: bool = False
    verified_domains: frozenset[str] = frozenset()
    ab_test_progress: AbTestProgress | None = None
    figures: tuple[VariantFigures, ...] = ()
    run: Run = Run()

    @property
    def readiness(self) -> Readiness:
        missing = missing_for_sending(self.draft, self.verified_domains)
        return Readiness(can_send=not missing, missing=missing)


State: TypeAlias = Absent | Campaign
