"""Which command is legal in which status of a campaign, and how an illegal one is refused. Pure."""

import msgspec

from libs.kernel.rejection import Rejected
from libs.schemas.campaigns.campaigns import (
    CampaignCommand,
    CampaignStatus,
    CancelCampaign,
    ChooseWinner,
    DeleteCampaign,
    PauseCampaign,
    ResumeCampaign,
    ScheduleCampaign,
    SendCampaign,
    UnscheduleCampaign,
    UpdateCampaign,
)


class Law(msgspec.Struct, frozen=True):
    statuses: frozenset[CampaignStatus]
    code: str
    message: str


SENDABLE = Law(
    frozenset({"DRAFT", "SCHEDULED", "FAILED"}),
    "CAMPAIGN_NOT_SENDABLE",
    "Campaign has already been sent or is currently sending",
)

LAWS: dict[type[CampaignCommand], Law] = {
    UpdateCampaign: Law(
        frozenset({"DRAFT", "SCHEDULED", "FAILED"}),
        "CAMPAIGN_NOT_EDITABLE",
        "Cannot update a campaign that is sending or has been sent",
    ),
    DeleteCampaign: Law(
        frozenset({"DRAFT", "SENT", "FAILED", "CANCELLED"}),
        "CAMPAIGN_NOT_DELETABLE",
        "Cannot delete a campaign that is scheduled or sending",
    ),
    SendCampaign: SENDABLE,
    ScheduleCampaign: SENDABLE,
    UnscheduleCampaign: Law(
        frozenset({"SCHEDULED"}), "CAMPAIGN_NOT_UNSCHEDULABLE", "Only a scheduled campaign can be unscheduled"
    ),
    CancelCampaign: Law(
        frozenset({"SCHEDULED", "QUEUED", "SENDING", "PAUSED"}),
        "CAMPAIGN_NOT_CANCELABLE",
        "Can only cancel scheduled or sending campaigns",
    ),
    PauseCampaign: Law(
        frozenset({"QUEUED", "SENDING"}), "CAMPAIGN_NOT_PAUSABLE", "Only a campaign that is sending can be paused"
    ),
    ChooseWinner: Law(
        frozenset({"QUEUED", "SENDING", "PAUSED"}),
        "CAMPAIGN_NOT_TESTING",
        "A winner can be chosen while the campaign is being sent",
    ),
    ResumeCampaign: Law(frozenset({"PAUSED"}), "CAMPAIGN_NOT_RESUMABLE", "Only a paused campaign can be resumed"),
}


def require_legal(command: CampaignCommand, status: CampaignStatus, overtaken: bool) -> None:
    """Raise Rejected if the command cannot be done in this status.

    One that was overtaken by another transition says so: it may well have been legal when it was given.
    """
    law = LAWS[type(command)]
    if status in law.statuses:
        return
    if overtaken:
        raise Rejected(
            "CAMPAIGN_TRANSITION_IN_PROGRESS",
            "Another transition of the campaign came first. Look at its status, and try again.",
            details={"status": status},
        )
    raise Rejected(law.code, law.message, details={"status": status})
