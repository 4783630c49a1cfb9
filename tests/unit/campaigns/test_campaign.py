"""The campaign decider: every command in every state."""

from datetime import UTC, datetime
from functools import reduce
from uuid import uuid4

import pytest
from msgspec.structs import replace

from libs.runtime.rejection import Rejected
from libs.schemas.campaigns import (
    Audience,
    CampaignCreated,
    CampaignSendingStarted,
    CampaignSent,
    CreateCampaign,
    SendCampaign,
)
from libs.schemas.contacts import Condition, Filter, Group
from libs.schemas.delivery import Content
from services.campaigns.campaign import INITIAL, Campaign, Event, State, decide, evolve
from services.campaigns.content import Absent

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ID = uuid4()
CONTENT = Content(subject="News", body="Hello {{ name }}", from_email="us@example.com")
EVERYONE = Audience(audience_type="ALL")
CREATE = CreateCampaign(campaign_id=ID, name="News", content=CONTENT, audience=EVERYONE)
SEND = SendCampaign(campaign_id=ID)
ALLOWED = Absent(frozenset({"example.com"}))

CREATED = CampaignCreated(campaign_id=ID, name="News", content=CONTENT, audience=EVERYONE)
STARTED = CampaignSendingStarted(campaign_id=ID, content=CONTENT, audience=EVERYONE)
SENT = CampaignSent(campaign_id=ID, recipients=3)


def given(*history: Event) -> State:
    return reduce(evolve, history, INITIAL)


def refusal(command: CreateCampaign | SendCampaign, state: State) -> Rejected:
    with pytest.raises(Rejected) as no:
        decide(command, state, NOW)
    return no.value


def test_a_campaign_is_created_as_a_draft() -> None:
    assert decide(CREATE, ALLOWED, NOW) == [CREATED]
    state = given(CREATED)
    assert isinstance(state, Campaign)
    assert state.status == "DRAFT"


@pytest.mark.parametrize("history", [(CREATED,), (CREATED, STARTED), (CREATED, STARTED, SENT)])
def test_creating_the_same_campaign_again_changes_nothing(history: tuple[Event, ...]) -> None:
    assert decide(CREATE, given(*history), NOW) == []


@pytest.mark.parametrize("history", [(CREATED,), (CREATED, STARTED), (CREATED, STARTED, SENT)])
def test_another_campaign_cannot_take_the_id(history: tuple[Event, ...]) -> None:
    assert refusal(replace(CREATE, name="Other"), given(*history)).code == "CONFLICT"


def test_sending_a_draft_freezes_its_content() -> None:
    assert decide(SEND, given(CREATED), NOW) == [STARTED]
    state = given(CREATED, STARTED)
    assert isinstance(state, Campaign)
    assert state.status == "SENDING"


@pytest.mark.parametrize("history", [(CREATED, STARTED), (CREATED, STARTED, SENT)])
def test_a_campaign_is_not_sent_twice(history: tuple[Event, ...]) -> None:
    assert refusal(SEND, given(*history)).code == "CAMPAIGN_NOT_SENDABLE"


def test_a_campaign_that_does_not_exist_cannot_be_sent() -> None:
    assert refusal(SEND, INITIAL).code == "CAMPAIGN_NOT_FOUND"


def test_a_finished_campaign_is_sent() -> None:
    state = given(CREATED, STARTED, SENT)
    assert isinstance(state, Campaign)
    assert state.status == "SENT"


def test_a_sender_domain_that_is_not_verified_is_refused() -> None:
    assert refusal(CREATE, Absent(frozenset({"other.org"}))).code == "DOMAIN_NOT_VERIFIED"


def test_content_that_cannot_be_parsed_is_refused() -> None:
    broken = replace(CREATE, content=replace(CONTENT, body="{% if %}"))
    assert [error.field for error in refusal(broken, ALLOWED).errors] == ["body"]


@pytest.mark.parametrize(
    ("audience", "field"),
    [
        (Audience(audience_type="SEGMENT"), "segmentId"),
        (Audience(audience_type="FILTERED"), "audienceCondition"),
    ],
)
def test_an_audience_needs_what_its_type_names(audience: Audience, field: str) -> None:
    no = refusal(replace(CREATE, audience=audience), ALLOWED)
    assert no.code == "VALIDATION_ERROR"
    assert [error.field for error in no.errors] == [field]


@pytest.mark.parametrize(
    "audience",
    [
        EVERYONE,
        Audience(audience_type="SEGMENT", segment_id=uuid4()),
        Audience(
            audience_type="FILTERED",
            audience_condition=Condition(
                logic="AND", groups=[Group(filters=[Filter(field="data.plan", operator="equals", value="pro")])]
            ),
        ),
    ],
    ids=["all", "segment", "filtered"],
)
def test_the_audience_is_kept_and_frozen(audience: Audience) -> None:
    [created] = decide(replace(CREATE, audience=audience), ALLOWED, NOW)
    assert isinstance(created, CampaignCreated)
    assert created.audience == audience
    [started] = decide(SEND, given(created), NOW)
    assert isinstance(started, CampaignSendingStarted)
    assert started.audience == audience
