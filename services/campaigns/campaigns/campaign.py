"""The campaign decider: from the first draft to the last mail.

    DRAFT <-> SCHEDULED          a schedule that is late by more than an hour, or cannot be kept: FAILED
    DRAFT, SCHEDULED, FAILED -> QUEUED -> SENDING -> SENT
    QUEUED, SENDING <-> PAUSED
    SCHEDULED, QUEUED, SENDING, PAUSED -> CANCELLED

`campaign.resolving`, `campaign.test_sent` and `campaign.sent` are no answers to commands: they follow from what others
report (see `reactions`). An A/B test has phases of its own (see `experiment`).
"""

from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected, invalid
from libs.schemas.campaigns.ab_tests import VariantFigures
from libs.schemas.campaigns.audience import Audience
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
    CampaignStatus,
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
    Readiness,
    Requirement,
    ResumeCampaign,
    ScheduleCampaign,
    SendCampaign,
    UnscheduleCampaign,
    UpdateCampaign,
)
from services.campaigns.ab_tests import decision as experiment
from services.campaigns.ab_tests import variants
from services.campaigns.ab_tests.decision import Experiment
from services.campaigns.campaigns.draft import Draft, changed, drafted
from services.campaigns.campaigns.timers import CampaignDue, WinnerDue
from services.campaigns.campaigns.transitions import require_legal
from services.campaigns.content.rules import copied, domain_of, require_sendable

MAX_LATE = timedelta(hours=1)


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """There is no such campaign. `original` is what a copy would be of."""

    original: Draft | None = None
    verified_domains: frozenset[str] = frozenset()


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign. The times are those of its row; a campaign that is not stored yet has none.

    `verified_domains` and `figures`, of the A/B test, are looked up for each command that needs them. `transitioned`
    says that somebody changed the status since the state was read, `transitioned_at` when somebody last did before.
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
    experiment: Experiment | None = None
    figures: tuple[VariantFigures, ...] = ()

    @property
    def readiness(self) -> Readiness:
        missing = _missing(self.draft, self.verified_domains)
        return Readiness(can_send=not missing, missing=missing)


State: TypeAlias = Absent | Campaign
Command: TypeAlias = CampaignCommand | CampaignDue | WinnerDue
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

INITIAL: State = Absent()


def decide(command: Command, state: State, now: datetime) -> list[Event]:
    match command, state:
        case CampaignDue(), _:
            return _fall_due(command, state, now)
        case WinnerDue(), _:
            return _decide_winner(command, state, now)
        case CreateCampaign(), Absent():
            return _create(command, state)
        case DuplicateCampaign(), Absent():
            return _duplicate(command, state)
        case CreateCampaign(), Campaign() if drafted(command) == state.draft:
            return []
        case ((CreateCampaign() | DuplicateCampaign()), Campaign()):
            raise Rejected("CONFLICT", "A campaign with this id exists")
        case _, Absent():
            raise Rejected("CAMPAIGN_NOT_FOUND", "Campaign not found")
        case _, Campaign():
            require_legal(command, state.status, _overtaken(command, state))
            return _change(command, state, now)


def evolve(state: State, event: Event) -> State:
    match event, state:
        case CampaignCreated(), _:
            return Campaign(draft=drafted(event), verified_domains=state.verified_domains)
        case CampaignDeleted(), _:
            return Absent()
        case _, Campaign():
            return _evolve(state, event)
    return state


def _change(command: CampaignCommand, campaign: Campaign, now: datetime) -> list[Event]:
    """What a command that is legal in this status does."""
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
            return list(experiment.choose(command, campaign.draft, campaign.experiment, campaign.figures, now))
    raise AssertionError(f"no case for {command!r}")


def _evolve(campaign: Campaign, event: Any) -> Campaign:
    match event:
        case CampaignUpdated():
            return replace(campaign, draft=drafted(event))
        case CampaignScheduled(scheduled_for=scheduled_for):
            return _moved(campaign, "SCHEDULED", scheduled_for=scheduled_for, failure=None)
        case CampaignUnscheduled():
            return _moved(campaign, "DRAFT", scheduled_for=None)
        case CampaignMissed(scheduled_for=scheduled_for):
            failure = CampaignFailure(
                code="MISSED", message=f"It was due at {iso(scheduled_for)} and could not be sent"
            )
            return _moved(campaign, "FAILED", failure=failure)
        case CampaignFailed(code=code, reason=reason):
            return _moved(campaign, "FAILED", failure=CampaignFailure(code=code, message=reason))
        case CampaignSendingStarted(ab_test=test):
            return _moved(campaign, "QUEUED", failure=None, experiment=Experiment() if test else None)
        case CampaignResolving():
            return replace(campaign, status="SENDING")
        case CampaignTestSent() | CampaignWinnerDecided() if campaign.experiment:
            return replace(campaign, experiment=experiment.evolve(campaign.experiment, event))
        case CampaignPaused():
            return _moved(campaign, "PAUSED")
        case CampaignResumed():
            return _moved(campaign, "SENDING")
        case CampaignCancelled():
            return _moved(campaign, "CANCELLED")
        case CampaignSent():
            return replace(campaign, status="SENT")
    return campaign


def _moved(campaign: Campaign, status: CampaignStatus, **changes: Any) -> Campaign:
    return replace(campaign, status=status, transitioned=True, **changes)


def _create(command: CreateCampaign, state: Absent) -> list[Event]:
    draft = drafted(command)
    _require_possible(draft, state.verified_domains)
    return [CampaignCreated(campaign_id=command.campaign_id, **draft.fields)]


def _duplicate(command: DuplicateCampaign, state: Absent) -> list[Event]:
    if state.original is None:
        raise Rejected("CAMPAIGN_NOT_FOUND", "Campaign not found")
    copy = replace(state.original, name=copied(state.original.name))
    return [CampaignCreated(campaign_id=command.campaign_id, **copy.fields)]


def _update(command: UpdateCampaign, campaign: Campaign) -> list[Event]:
    draft = changed(campaign.draft, command)
    if draft == campaign.draft:
        return []
    if campaign.status == "SCHEDULED" and draft.ab_test != campaign.draft.ab_test:
        message = "The A/B test of a scheduled campaign cannot be changed: unschedule it first"
        raise Rejected("CAMPAIGN_NOT_EDITABLE", message, details={"status": campaign.status})
    _require_possible(draft, campaign.verified_domains)
    after = replace(campaign, draft=draft)
    if campaign.status == "SCHEDULED":
        _require_ready(after)
    return [CampaignUpdated(campaign_id=command.campaign_id, **draft.fields)]


def _schedule(command: ScheduleCampaign, campaign: Campaign, now: datetime) -> list[Event]:
    if command.scheduled_for <= now:
        raise invalid("scheduledFor", "Scheduled time must be in the future", "too_small")
    _require_ready(campaign)
    if campaign.scheduled_for == command.scheduled_for and campaign.status == "SCHEDULED":
        return []
    return [CampaignScheduled(campaign_id=command.campaign_id, scheduled_for=command.scheduled_for)]


def _fall_due(due: CampaignDue, state: State, now: datetime) -> list[Event]:
    """Send what is due, unless its schedule was moved or given up meanwhile."""
    match state:
        case Campaign(status="SCHEDULED", scheduled_for=due.scheduled_for):
            if now - due.scheduled_for > MAX_LATE:
                return [CampaignMissed(campaign_id=due.campaign_id, scheduled_for=due.scheduled_for)]
            if missing := state.readiness.missing:
                reason = f"It was not ready when it was due: {', '.join(missing)}"
                return [CampaignFailed(campaign_id=due.campaign_id, code="CAMPAIGN_NOT_READY", reason=reason)]
            return [_started(due.campaign_id, state)]
    return []


def _decide_winner(due: WinnerDue, state: State, now: datetime) -> list[Event]:
    """Decide what is due. A campaign that is cancelled has nobody left to whom the winner could go."""
    match state:
        case Campaign(experiment=Experiment() as run, status=status) if status != "CANCELLED":
            return list(experiment.fall_due(due, state.draft, run, state.figures, now))
    return []


def _started(campaign_id: UUID, campaign: Campaign) -> CampaignSendingStarted:
    draft = campaign.draft
    assert draft.audience, "only a campaign that is ready is started"
    return CampaignSendingStarted(
        campaign_id=campaign_id,
        content=draft.mail,
        audience=draft.audience,
        send_rate=draft.send_rate,
        send_window=draft.send_window,
        unknown_policy=draft.unknown_policy,
        ab_test=draft.frozen_test,
    )


def _overtaken(command: CampaignCommand, campaign: Campaign) -> bool:
    """Whether the status changed after the command was given: its caller could not know."""
    if campaign.transitioned:
        return True
    return bool(command.asked_at and campaign.transitioned_at and command.asked_at < campaign.transitioned_at)


def _require_ready(campaign: Campaign) -> None:
    if missing := campaign.readiness.missing:
        raise Rejected("CAMPAIGN_NOT_READY", "The campaign is not ready to be sent", details={"missing": list(missing)})


def _missing(draft: Draft, verified_domains: frozenset[str]) -> list[Requirement]:
    contents = draft.contents
    missing: list[Requirement] = []
    if domain_of(draft.content.from_email) not in verified_domains:
        missing.append("senderEmail")
    if not all(content.subject.strip() for content in contents):
        missing.append("subject")
    if not all(content.body.strip() for content in contents):
        missing.append("content")
    if draft.audience is None:
        missing.append("audience")
    return missing


def _require_possible(draft: Draft, verified_domains: frozenset[str]) -> None:
    if draft.audience:
        _require_whole(draft.audience)
    if draft.send_window and draft.send_window.start == draft.send_window.end:
        raise invalid("sendWindow.end", "A window ends at another time than it starts", "invalid")
    require_sendable(draft.content, verified_domains, draft.preheader)
    if draft.ab_test:
        variants.require_possible(draft.ab_test, draft.content, draft.preheader)


def _require_whole(audience: Audience) -> None:
    if audience.audience_type == "SEGMENT" and audience.segment_id is None and audience.list_id is None:
        raise _lacks("segmentId", "Segment ID is required for SEGMENT audience type")
    if audience.audience_type == "FILTERED" and audience.audience_condition is None:
        raise _lacks("audienceCondition", "Audience condition is required for FILTERED audience type")


def _lacks(field: str, message: str) -> Rejected:
    return invalid(field, message, "required")
