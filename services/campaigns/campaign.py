"""The campaign decider: a draft that is sent once.

    DRAFT -> SENDING -> SENT

`campaign.sent` is no answer to a command: it follows when every recipient's mail has its outcome (see `reactions`).
"""

from datetime import datetime
from typing import TypeAlias, assert_never

import msgspec

from libs.runtime.rejection import Rejected
from libs.schemas.base import FieldError
from libs.schemas.campaigns import (
    Audience,
    CampaignCreated,
    CampaignSendingStarted,
    CampaignSent,
    CampaignStatus,
    CreateCampaign,
    SendCampaign,
)
from libs.schemas.delivery import Content
from services.campaigns.content import Absent, invalid, require_sendable


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign. The times are those of its row; a campaign that is not stored yet has none."""

    name: str
    description: str | None
    content: Content
    audience: Audience
    status: CampaignStatus = "DRAFT"
    created_at: datetime | None = None
    updated_at: datetime | None = None
    sent_at: datetime | None = None


State: TypeAlias = Absent | Campaign
Command: TypeAlias = CreateCampaign | SendCampaign
Event: TypeAlias = CampaignCreated | CampaignSendingStarted | CampaignSent

INITIAL: State = Absent()


def decide(command: Command, state: State, now: datetime) -> list[Event]:
    match command:
        case CreateCampaign():
            return _create(command, state)
        case SendCampaign():
            return _send(command, state)
        case _:
            assert_never(command)


def evolve(state: State, event: Event) -> State:
    match event, state:
        case CampaignCreated(), _:
            return Campaign(
                name=event.name, description=event.description, content=event.content, audience=event.audience
            )
        case CampaignSendingStarted(), Campaign():
            return msgspec.structs.replace(state, status="SENDING", content=event.content, audience=event.audience)
        case CampaignSent(), Campaign():
            return msgspec.structs.replace(state, status="SENT")
    return state


def _create(command: CreateCampaign, state: State) -> list[Event]:
    match state:
        case Absent(verified_domains=verified):
            _require_audience(command.audience)
            require_sendable(command.content, verified)
            return [
                CampaignCreated(
                    campaign_id=command.campaign_id,
                    name=command.name,
                    content=command.content,
                    audience=command.audience,
                    description=command.description,
                )
            ]
        case Campaign(name=command.name, content=command.content, audience=command.audience):
            return []
        case Campaign():
            raise Rejected("CONFLICT", "A different campaign with this id exists")


def _send(command: SendCampaign, state: State) -> list[Event]:
    match state:
        case Absent():
            raise Rejected("CAMPAIGN_NOT_FOUND", "Campaign not found")
        case Campaign(status="DRAFT"):
            return [
                CampaignSendingStarted(campaign_id=command.campaign_id, content=state.content, audience=state.audience)
            ]
        case Campaign():
            raise Rejected("CAMPAIGN_NOT_SENDABLE", "Campaign has already been sent or is currently sending")


def _require_audience(audience: Audience) -> None:
    if audience.audience_type == "SEGMENT" and audience.segment_id is None:
        raise _missing("segmentId", "Segment ID is required for SEGMENT audience type")
    if audience.audience_type == "FILTERED" and audience.audience_condition is None:
        raise _missing("audienceCondition", "Audience condition is required for FILTERED audience type")


def _missing(field: str, message: str) -> Rejected:
    return invalid(FieldError(field=field, message=message, code="required"))
