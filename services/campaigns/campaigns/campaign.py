"""The campaign decider: from the first draft to the last mail.

    DRAFT <-> SCHEDULED
    SCHEDULED -> FAILED          when it is more than an hour late, or not ready
    DRAFT, SCHEDULED, FAILED -> QUEUED -> SENDING -> SENT
    QUEUED, SENDING <-> PAUSED
    SCHEDULED, QUEUED, SENDING, PAUSED -> CANCELLED

`campaign.resolving`, `campaign.test_sent` and `campaign.sent` do not follow from commands, but from the events of other
services (see `reactions`). An A/B test has phases of its own (see `ab_tests.decision`).
"""

from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from msgspec.structs import asdict, replace

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected, invalid
from libs.schemas.campaigns.campaigns import (
    CampaignCancelled,
    CampaignCommand,
    CampaignCreated,
    CampaignDeleted,
    CampaignFailed,
    CampaignFailure,
    CampaignMissed,
    CampaignPaused,
    CampaignResolving,
    CampaignResumed,
    CampaignScheduled,
    CampaignSendingStarted,
    CampaignSent,
    CampaignTestSent,
    CampaignUnscheduled,
    CampaignUpdated,
    CampaignWinnerDecided,
    CancelCampaign,
    ChooseWinner,
    CreateCampaign,
    DeleteCampaign,
    DuplicateCampaign,
    PauseCampaign,
    ResumeCampaign,
    ScheduleCampaign,
    SendCampaign,
    UnscheduleCampaign,
    UpdateCampaign,
)
from services.campaigns.ab_tests import decision
from services.campaigns.ab_tests.decision import AbTestProgress
from services.campaigns.ab_tests.timers import WinnerDue
from services.campaigns.campaigns.draft import create_draft, recorded_draft, updated_draft
from services.campaigns.campaigns.requirements import require_valid
from services.campaigns.campaigns.state import Absent, Campaign, State
from services.campaigns.campaigns.timers import CampaignDue
from services.campaigns.campaigns.transitions import require_allowed
from services.campaigns.content.rules import copied_name

MAX_LATE = timedelta(hours=1)
Command: TypeAlias = (
    CreateCampaign
    | UpdateCampaign
    | DeleteCampaign
    | DuplicateCampaign
    | SendCampaign
    | ScheduleCampaign
    | UnscheduleCampaign
    | CancelCampaign
    | PauseCampaign
    | ResumeCampaign
    | ChooseWinner
)
Due: TypeAlias = CampaignDue | WinnerDue
Event: TypeAlias = (
    CampaignCreated
    | CampaignUpdated
    | CampaignDeleted
    | CampaignScheduled
    | CampaignUnscheduled
    | CampaignMissed
    | CampaignFailed
    | CampaignSendingStarted
    | CampaignResolving
    | CampaignTestSent
    | CampaignWinnerDecided
    | CampaignPaused
    | CampaignResumed
    | CampaignCancelled
    | CampaignSent
)
TRANSITIONS = (
    CampaignScheduled,
    CampaignUnscheduled,
    CampaignMissed,
    CampaignFailed,
    CampaignSendingStarted,
    CampaignPaused,
    CampaignResumed,
    CampaignCancelled,
)
"""Events that a command or a schedule caused. A command that arrives after one of these may be overtaken."""

INITIAL: State = Absent()


def decide(command: Command | Due, state: State, now: datetime) -> list[Event]:
    match command, state:
        case CampaignDue(), _:
            return _send_when_due(command, state, now)
        case WinnerDue(), _:
            return _decide_winner(command, state, now)
        case CreateCampaign(), Absent():
            return _create(command, state)
        case DuplicateCampaign(), Absent():
            return _duplicate(command, state)
        case CreateCampaign(), Campaign() if create_draft(command) == state.draft:
            return []
        case ((CreateCampaign() | DuplicateCampaign()), Campaign()):
            raise Rejected("CONFLICT", "A campaign with this id exists")
        case _, Absent():
            raise Rejected("CAMPAIGN_NOT_FOUND", "Campaign not found")
        case CampaignCommand(), Campaign():
            require_allowed(command, state.status, _is_overtaken(command, state))
            return _change(command, state, now)
    raise AssertionError(f"no case for {command!r}")


def evolve(state: State, event: Event) -> State:
    match event, state:
        case CampaignCreated(), _:
            return Campaign(draft=recorded_draft(event), verified_domains=state.verified_domains)
        case CampaignDeleted(), _:
            return Absent()
        case _, Campaign():
            after = _evolve(state, event)
            return replace(after, transitioned=True) if isinstance(event, TRANSITIONS) else after
    return state


def _change(command: CampaignCommand, campaign: Campaign, now: datetime) -> list[Event]:
    """Return the events of a command that is allowed in this status."""
    match command:
        case UpdateCampaign():
            return _update(command, campaign)
        case DeleteCampaign(campaign_id=campaign_id):
            return [CampaignDeleted(campaign_id=campaign_id)]
        case SendCampaign(campaign_id=campaign_id):
            _require_ready(campaign)
            return [_started(campaign_id, campaign)]
        case ScheduleCampaign():
            return _schedule(command, campaign, now)
        case UnscheduleCampaign(campaign_id=campaign_id):
            return [CampaignUnscheduled(campaign_id=campaign_id)]
        case CancelCampaign(campaign_id=campaign_id):
            return [CampaignCancelled(campaign_id=campaign_id)]
        case PauseCampaign(campaign_id=campaign_id):
            return [CampaignPaused(campaign_id=campaign_id)]
        case ResumeCampaign(campaign_id=campaign_id):
            return [CampaignResumed(campaign_id=campaign_id)]
        case ChooseWinner():
            return list(
                decision.choose_winner(command, campaign.draft.tested, campaign.ab_test_progress, campaign.figures, now)
            )
    raise AssertionError(f"no case for {command!r}")


def _evolve(campaign: Campaign, event: Any) -> Campaign:
    match event:
        case CampaignUpdated():
            return replace(campaign, draft=recorded_draft(event))
        case CampaignScheduled(scheduled_for=scheduled_for):
            return replace(campaign, status="SCHEDULED", scheduled_for=scheduled_for, failure=None)
        case CampaignUnscheduled():
            return replace(campaign, status="DRAFT", scheduled_for=None)
        case CampaignMissed(scheduled_for=scheduled_for):
            failure = CampaignFailure(
                code="MISSED", message=f"The campaign was due at {iso(scheduled_for)} and could not be sent"
            )
            return replace(campaign, status="FAILED", failure=failure)
        case CampaignFailed(code=code, reason=reason):
            return replace(campaign, status="FAILED", failure=CampaignFailure(code=code, message=reason))
        case CampaignSendingStarted(ab_test=test):
            return replace(campaign, status="QUEUED", failure=None, ab_test_progress=AbTestProgress() if test else None)
        case CampaignResolving():
            return replace(campaign, status="SENDING")
        case CampaignTestSent() | CampaignWinnerDecided() if campaign.ab_test_progress:
            return replace(campaign, ab_test_progress=decision.evolve(campaign.ab_test_progress, event))
        case CampaignPaused():
            return replace(campaign, status="PAUSED")
        case CampaignResumed():
            return replace(campaign, status="SENDING")
        case CampaignCancelled():
            return replace(campaign, status="CANCELLED")
        case CampaignSent():
            return replace(campaign, status="SENT")
    return campaign


def _create(command: CreateCampaign, state: Absent) -> list[Event]:
    draft = create_draft(command)
    require_valid(draft, state.verified_domains)
    return [CampaignCreated(**asdict(draft))]


def _duplicate(command: DuplicateCampaign, state: Absent) -> list[Event]:
    if state.original is None:
        raise Rejected("CAMPAIGN_NOT_FOUND", "Campaign not found")
    copy = replace(state.original, campaign_id=command.campaign_id, name=copied_name(state.original.name))
    return [CampaignCreated(**asdict(copy))]


def _update(command: UpdateCampaign, campaign: Campaign) -> list[Event]:
    draft = updated_draft(campaign.draft, command)
    if draft == campaign.draft:
        return []
    if campaign.status == "SCHEDULED" and draft.ab_test != campaign.draft.ab_test:
        message = "The A/B test of a scheduled campaign cannot be changed. Unschedule the campaign first."
        raise Rejected("CAMPAIGN_NOT_EDITABLE", message, details={"status": campaign.status})
    require_valid(draft, campaign.verified_domains)
    after = replace(campaign, draft=draft)
    if campaign.status == "SCHEDULED":
        _require_ready(after)
    return [CampaignUpdated(**asdict(draft))]


def _schedule(command: ScheduleCampaign, campaign: Campaign, now: datetime) -> list[Event]:
    if command.scheduled_for <= now:
        raise invalid("scheduledFor", "Scheduled time must be in the future", "too_small")
    _require_ready(campaign)
    if campaign.scheduled_for == command.scheduled_for and campaign.status == "SCHEDULED":
        return []
    return [CampaignScheduled(campaign_id=command.campaign_id, scheduled_for=command.scheduled_for)]


def _send_when_due(due: CampaignDue, state: State, now: datetime) -> list[Event]:
    """Send the campaign, unless it was rescheduled or unscheduled meanwhile."""
    match state:
        case Campaign(status="SCHEDULED", scheduled_for=due.scheduled_for):
            if now - due.scheduled_for > MAX_LATE:
                return [CampaignMissed(campaign_id=due.campaign_id, scheduled_for=due.scheduled_for)]
            if missing := state.readiness.missing:
                reason = f"The campaign was not ready when it was due: {', '.join(missing)}"
                return [CampaignFailed(campaign_id=due.campaign_id, code="CAMPAIGN_NOT_READY", reason=reason)]
            return [_started(due.campaign_id, state)]
    return []


def _decide_winner(due: WinnerDue, state: State, now: datetime) -> list[Event]:
    """Decide the winner that is due, unless the campaign was cancelled: nobody would receive it."""
    match state:
        case Campaign(ab_test_progress=AbTestProgress() as progress, status=status) if status != "CANCELLED":
            assert state.draft.tested, "the campaign has an A/B test"
            return list(decision.decide_when_due(due, state.draft.tested, progress, state.figures, now))
    return []


def _started(campaign_id: UUID, campaign: Campaign) -> CampaignSendingStarted:
    draft = campaign.draft
    assert draft.audience, "a campaign is ready before it is started"
    return CampaignSendingStarted(
        campaign_id=campaign_id,
        content=draft.mail,
        audience=draft.audience,
        send_rate=draft.send_rate,
        send_window=draft.send_window,
        unknown_policy=draft.unknown_policy,
        ab_test=draft.tested.frozen if draft.tested else None,
    )


def _is_overtaken(command: CampaignCommand, campaign: Campaign) -> bool:
    """Whether the status changed after the caller sent the command."""
    if campaign.transitioned:
        return True
    return bool(command.asked_at and campaign.transitioned_at and command.asked_at < campaign.transitioned_at)


def _require_ready(campaign: Campaign) -> None:
    if missing := campaign.readiness.missing:
        raise Rejected("CAMPAIGN_NOT_READY", "The campaign is not ready to be sent", details={"missing": list(missing)})
