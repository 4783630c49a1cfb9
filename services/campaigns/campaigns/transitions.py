"""Which commands are allowed in which status of a campaign. Pure."""

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


class AllowedTransition(msgspec.Struct, frozen=True):
    """The statuses in which a command is allowed, and the error in all others."""

    statuses: frozenset[CampaignStatus]
    code: str
    message: str


SENDABLE = AllowedTransition(
    frozenset({"DRAFT", "SCHEDULED", "FAILED"}),
    "CAMPAIGN_NOT_SENDABLE",
    "Campaign has already been sent or is currently sending",
)

ALLOWED_TRANSITIONS: dict[type[CampaignCommand], AllowedTransition] = {
    UpdateCampaign: AllowedTransition(
        frozenset({"DRAFT", "SCHEDULED", "FAILED"}),
        "CAMPAIGN_NOT_EDITABLE",
        "Cannot update a campaign that is sending or has been sent",
    ),
    DeleteCampaign: AllowedTransition(
        frozenset({"DRAFT", "SENT", "FAILED", "CANCELLED"}),
        "CAMPAIGN_NOT_DELETABLE",
        "Cannot delete a campaign that is scheduled or sending",
    ),
    SendCampaign: SENDABLE,
    ScheduleCampaign: SENDABLE,
    UnscheduleCampaign: AllowedTransition(
        frozenset({"SCHEDULED"}), "CAMPAIGN_NOT_UNSCHEDULABLE", "Only a scheduled campaign can be unscheduled"
    ),
    CancelCampaign: AllowedTransition(
        frozenset({"SCHEDULED", "QUEUED", "SENDING", "PAUSED"}),
        "CAMPAIGN_NOT_CANCELABLE",
        "Can only cancel scheduled or sending campaigns",
    ),
    PauseCampaign: AllowedTransition(
        frozenset({"QUEUED", "SENDING"}), "CAMPAIGN_NOT_PAUSABLE", "Only a campaign that is sending can be paused"
    ),
    ChooseWinner: AllowedTransition(
        frozenset({"QUEUED", "SENDING", "PAUSED"}),
        "CAMPAIGN_NOT_TESTING",
        "A winner can only be chosen while the campaign is being sent",
    ),
    ResumeCampaign: AllowedTransition(
        frozenset({"PAUSED"}), "CAMPAIGN_NOT_RESUMABLE", "Only a paused campaign can be resumed"
    ),
}


def require_allowed(command: CampaignCommand, status: CampaignStatus, overtaken: bool) -> None:
    """Raise Rejected if the command is not allowed in this status.

    `overtaken` means that the status changed after the command was given, when it may well have been allowed. The
    error says so.
    """
    allowed = ALLOWED_TRANSITIONS[type(command)]
    if status in allowed.statuses:
        return
    if overtaken:
        raise Rejected(
            "CAMPAIGN_TRANSITION_IN_PROGRESS",
            "The campaign's status changed in the meantime. Reload it and try again.",
            details={"status": status},
        )
    raise Rejected(allowed.code, allowed.message, details={"status": status})
