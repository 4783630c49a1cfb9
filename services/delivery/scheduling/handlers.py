"""What the scheduling folder handles."""

from typing import get_args

from libs.runtime.process.service import Handlers
from libs.runtime.process.settings import Settings
from libs.schemas.campaigns.campaigns import CampaignWinnerDecided
from libs.schemas.delivery.sending import GetSendingState
from libs.schemas.delivery.sending_limits import GetSendingLimits, SetSendingLimits
from services.delivery.scheduling import ab_test, campaign_holds, campaign_schedules, limits, progress
from services.delivery.scheduling.read_models import (
    campaign_experiment,
    campaign_hold,
    campaign_pace,
    paused_project,
    sending_limit,
)


def handlers(config: Settings) -> Handlers:
    return Handlers(
        commands={SetSendingLimits: limits.set_sending_limits()},
        queries={
            GetSendingLimits: limits.get_sending_limits,
            GetSendingState: progress.get_sending_state(config.aws_region),
        },
        shared_tables=("bucket", "sending"),
        reactions={
            **dict.fromkeys(get_args(campaign_holds.HoldEvent), campaign_holds.begin),
            CampaignWinnerDecided: ab_test.begin,
        },
        timers={
            campaign_holds.SweepCampaign: campaign_holds.sweep,
            campaign_schedules.PlaceCampaign: campaign_schedules.place_campaigns,
            limits.MoveMails: limits.move_mails,
            ab_test.ReleaseRest: ab_test.release_rest,
        },
        read_models=(sending_limit, campaign_hold, campaign_pace, campaign_experiment, paused_project),
    )
