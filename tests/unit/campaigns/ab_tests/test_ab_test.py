"""A campaign's A/B test: every command in every status and phase, and which variant wins."""

from datetime import timedelta
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.campaigns.ab_tests import (
    AbTest,
    AbTestPhase,
    FrozenTest,
    FrozenVariant,
    Variant,
    VariantFigures,
)
from libs.schemas.campaigns.campaigns import (
    CampaignDraft,
    CampaignStatus,
    CampaignTestSent,
    CampaignWinnerDecided,
    ChooseWinner,
    UpdateCampaign,
)
from libs.schemas.campaigns.campaigns import CampaignSendingStarted as Started
from services.campaigns.ab_tests.decision import best_variant
from services.campaigns.ab_tests.timers import WinnerDue
from services.campaigns.campaigns.campaign import Command, Event, decide
from services.campaigns.campaigns.state import Absent, Campaign
from tests.unit.campaigns.campaigns.test_campaign import (
    ALLOWED,
    CANCELLED,
    CODES,
    COMMANDS,
    CONTENT,
    CREATE,
    CREATED,
    EVERYONE,
    HISTORIES,
    ID,
    MISSED,
    NOW,
    PAUSED,
    RESOLVING,
    SCHEDULED,
    SENT,
    STARTED,
    TABLE,
    given,
    refusal,
)

TEST = AbTest(variants=[Variant(key="A"), Variant(key="B", subject="Fresh news")], decide_after_minutes=60)
FROZEN = FrozenTest(
    variants=[FrozenVariant(key="A"), FrozenVariant(key="B", subject="Fresh news")], share_percent=TEST.share_percent
)
TESTED = replace(CREATED, ab_test=TEST)
BEGUN = Started(campaign_id=ID, content=CONTENT, audience=EVERYONE, ab_test=FROZEN)
DECIDE_AT = NOW + timedelta(hours=1)
OUT = CampaignTestSent(campaign_id=ID, decide_at=DECIDE_AT)
FIGURES = (
    VariantFigures(key="A", recipients=10, sent=9, delivered=9, opened=3, clicked=2),
    VariantFigures(key="B", recipients=10, sent=10, delivered=9, opened=4, clicked=1),
)
WON = CampaignWinnerDecided(
    campaign_id=ID,
    variant="B",
    content=replace(CONTENT, subject="Fresh news"),
    decided_by="operator",
    decided_at=NOW,
    winner_by="opens",
    figures=list(FIGURES),
)
CHOOSE_A, CHOOSE_B, CHOOSE_BEST = (ChooseWinner(campaign_id=ID, variant=variant) for variant in ("A", "B", None))
DUE = WinnerDue(campaign_id=ID, decide_at=DECIDE_AT)

PHASES: dict[AbTestPhase, tuple[Event, ...]] = {"TESTING": (), "WAITING": (OUT,), "DECIDED": (OUT, WON)}
BEFORE: dict[CampaignStatus, tuple[Event, ...]] = {
    "DRAFT": (TESTED,),
    "SCHEDULED": (TESTED, SCHEDULED),
    "FAILED": (TESTED, SCHEDULED, MISSED),
}
RUNNING: dict[CampaignStatus, tuple[Event, ...]] = {
    "QUEUED": (),
    "SENDING": (RESOLVING,),
    "PAUSED": (RESOLVING, PAUSED),
    "SENT": (RESOLVING, SENT),
    "CANCELLED": (RESOLVING, CANCELLED),
}
CHOOSABLE = ("QUEUED", "SENDING", "PAUSED")
EVERY_RUN = [(status, phase) for status in RUNNING for phase in PHASES]
EVERY_COMMAND: dict[str, Command] = COMMANDS | {"choose": CHOOSE_B}


def run(status: CampaignStatus, phase: AbTestPhase) -> Any:
    """Return a campaign with an A/B test in this phase, with its figures."""
    return replace(given(TESTED, BEGUN, *PHASES[phase], *RUNNING[status]), figures=FIGURES)


def in_test(event: Event | str) -> Any:
    """Return the event of a campaign with a test that corresponds to one of a campaign without."""
    return replace(event, ab_test=TEST) if isinstance(event, CampaignDraft) else BEGUN if event == STARTED else event


def test_there_is_a_history_for_every_status_and_phase() -> None:
    assert set(BEFORE) | set(RUNNING) == set(get_args(CampaignStatus))
    assert set(PHASES) == set(get_args(AbTestPhase))
    for status, phase in EVERY_RUN:
        assert (run(status, phase).status, run(status, phase).ab_test_progress.phase) == (status, phase)
    assert [given(*BEFORE[status]).ab_test_progress for status in BEFORE] == [None] * 3


@pytest.mark.parametrize(("status", "phase"), EVERY_RUN)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_every_status_and_phase_does_the_same_as_without_a_test(
    name: str, status: CampaignStatus, phase: AbTestPhase
) -> None:
    expected = TABLE[name].get(status)
    if expected is None:
        assert refusal(COMMANDS[name], run(status, phase)).code == CODES[name]
    else:
        assert decide(COMMANDS[name], run(status, phase), NOW) == [expected]


@pytest.mark.parametrize("status", BEFORE)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_before_the_test_begins(name: str, status: CampaignStatus) -> None:
    expected = TABLE[name].get(status)
    if expected is None:
        assert refusal(COMMANDS[name], given(*BEFORE[status])).code == CODES[name]
    else:
        assert decide(COMMANDS[name], given(*BEFORE[status]), NOW) == [in_test(expected)]


@pytest.mark.parametrize(("status", "phase"), EVERY_RUN)
def test_a_winner_can_be_chosen_once_while_the_campaign_is_being_sent(
    status: CampaignStatus, phase: AbTestPhase
) -> None:
    state = run(status, phase)
    if status not in CHOOSABLE:
        assert refusal(CHOOSE_B, state).code == "CAMPAIGN_NOT_TESTING"
    elif phase == "DECIDED":
        assert (decide(CHOOSE_B, state, NOW), decide(CHOOSE_BEST, state, NOW)) == ([], [])
        no = refusal(CHOOSE_A, state)
        assert (no.code, no.details) == ("AB_TEST_ALREADY_DECIDED", {"winner": "B"})
    else:
        assert decide(CHOOSE_B, state, NOW) == [WON]
        assert decide(CHOOSE_BEST, state, NOW) == [WON]
        assert decide(CHOOSE_A, state, NOW) == [replace(WON, variant="A", content=CONTENT)]


@pytest.mark.parametrize("status", [*BEFORE, "absent"])
def test_before_a_campaign_is_sent_there_is_no_winner_to_choose(status: Any) -> None:
    state = Absent() if status == "absent" else given(*BEFORE[status])
    assert refusal(CHOOSE_B, state).code == ("CAMPAIGN_NOT_FOUND" if status == "absent" else "CAMPAIGN_NOT_TESTING")


@pytest.mark.parametrize("status", HISTORIES)
def test_a_campaign_without_a_test_has_no_winner_to_choose(status: CampaignStatus) -> None:
    code = "AB_TEST_NOT_FOUND" if status in CHOOSABLE else "CAMPAIGN_NOT_TESTING"
    assert refusal(CHOOSE_B, given(*HISTORIES[status])).code == code


def test_an_unknown_variant_cannot_win() -> None:
    no = refusal(ChooseWinner(campaign_id=ID, variant="C"), run("SENDING", "WAITING"))
    assert (no.code, [error.field for error in no.errors]) == ("VALIDATION_ERROR", ["variant"])


@pytest.mark.parametrize(("status", "phase"), EVERY_RUN)
def test_a_due_winner_is_decided_once_unless_the_campaign_is_cancelled(
    status: CampaignStatus, phase: AbTestPhase
) -> None:
    waits = phase == "WAITING" and status != "CANCELLED"
    expected = replace(WON, decided_by="deadline", decided_at=DECIDE_AT)
    assert decide(DUE, run(status, phase), DECIDE_AT) == ([expected] if waits else [])


@pytest.mark.parametrize(
    "state", [Absent(), given(TESTED), given(CREATED, STARTED)], ids=["absent", "draft", "no test"]
)
def test_a_timer_does_nothing_unless_the_test_is_waiting(state: Any) -> None:
    assert decide(DUE, state, DECIDE_AT) == []


def test_an_outdated_timer_does_nothing() -> None:
    early = WinnerDue(campaign_id=ID, decide_at=DECIDE_AT - timedelta(minutes=1))
    assert decide(early, run("SENDING", "WAITING"), DECIDE_AT) == []


# --- who wins --------------------------------------------------------------------------------------------------------


def figures(*variants: tuple[int, int, int]) -> list[VariantFigures]:
    """Return figures from the (sent, opened, clicked) of A, B and so on."""
    return [
        VariantFigures(key=key, sent=sent, opened=opened, clicked=clicked)
        for key, (sent, opened, clicked) in zip("ABCD", variants, strict=False)
    ]


@pytest.mark.parametrize(
    ("counted", "by", "winner", "tied"),
    [
        (figures((10, 4, 0), (10, 5, 0)), "opens", "B", False),
        (figures((10, 4, 2), (10, 5, 1)), "clicks", "A", False),
        (figures((3, 1, 0), (10, 3, 0)), "opens", "A", False),  # the rate counts, not the number
        (
            figures((30_000_000_000_000_001, 10_000_000_000_000_000, 0), (3, 1, 0)),
            "opens",
            "B",
            False,
        ),  # rates are exact
        (figures((10, 5, 1), (20, 10, 4)), "opens", "B", True),
        (figures((10, 1, 5), (20, 4, 10)), "clicks", "B", True),
        (figures((10, 5, 1), (20, 10, 2)), "opens", "A", True),
        (figures((10, 0, 0), (10, 0, 0), (10, 0, 0)), "opens", "A", True),
        (figures((0, 0, 0), (0, 0, 0)), "clicks", "A", True),
        (figures((0, 0, 0), (5, 1, 0)), "opens", "B", False),
        (figures((10, 1, 0), (10, 2, 0), (10, 2, 1), (10, 2, 1)), "opens", "C", True),
        (figures((10, 3, 0), (10, 2, 0), (10, 2, 0)), "opens", "A", False),
    ],
)
def test_the_highest_rate_wins_then_the_other_rate_then_the_first(
    counted: list[VariantFigures], by: Any, winner: str, tied: bool
) -> None:
    assert (best_variant(counted, by).key, best_variant(counted, by).tied) == (winner, tied)


# --- content of the variants -----------------------------------------------------------------------------------------


def with_test(*variants: Variant, **fields: Any) -> AbTest:
    return AbTest(variants=list(variants), **fields)


def test_a_test_can_be_added_changed_and_removed_in_a_draft() -> None:
    assert decide(replace(CREATE, ab_test=TEST), ALLOWED, NOW) == [TESTED]
    other = replace(TEST, winner_by="clicks")
    [changed] = decide(UpdateCampaign(campaign_id=ID, ab_test=other), given(TESTED), NOW)
    assert getattr(changed, "ab_test", None) == other
    [without] = decide(UpdateCampaign(campaign_id=ID, ab_test=None), given(TESTED), NOW)
    assert getattr(without, "ab_test", TEST) is None
    assert decide(UpdateCampaign(campaign_id=ID, name="News"), given(TESTED), NOW) == []


def test_the_test_of_a_scheduled_campaign_cannot_be_changed() -> None:
    for test in (None, replace(TEST, share_percent=30)):
        no = refusal(UpdateCampaign(campaign_id=ID, ab_test=test), given(*BEFORE["SCHEDULED"]))
        assert (no.code, no.details) == ("CAMPAIGN_NOT_EDITABLE", {"status": "SCHEDULED"})
    [failed] = decide(UpdateCampaign(campaign_id=ID, ab_test=None), given(*BEFORE["FAILED"]), NOW)
    assert getattr(failed, "ab_test", TEST) is None


def test_the_markdown_of_a_variant_is_compiled() -> None:
    test = with_test(Variant(key="A"), Variant(key="B", markdown="# Hi {{ name }}"))
    [created] = decide(replace(CREATE, ab_test=test), ALLOWED, NOW)
    state = given(created)
    assert isinstance(state, Campaign)
    assert state.draft.mail_of("B").body == "<h1>Hi {{ name }}</h1>\n"
    [started] = decide(COMMANDS["send"], state, NOW)
    assert isinstance(started, Started)
    assert started.ab_test
    assert [variant.body for variant in started.ab_test.variants] == [None, "<h1>Hi {{ name }}</h1>\n"]


def test_a_test_that_was_read_can_be_written_back() -> None:
    test = with_test(Variant(key="A"), Variant(key="B", markdown="Hi"))
    [created] = decide(replace(CREATE, ab_test=test), ALLOWED, NOW)
    state = given(created)
    assert decide(UpdateCampaign(campaign_id=ID, ab_test=state.draft.ab_test), state, NOW) == []


def test_a_preheader_of_a_variant_is_in_its_frozen_body() -> None:
    test = with_test(Variant(key="A"), Variant(key="B", preheader="Now"), Variant(key="C", preheader=""))
    [created] = decide(replace(CREATE, preheader="Soon", ab_test=test), ALLOWED, NOW)
    [started] = decide(COMMANDS["send"], given(created), NOW)
    assert isinstance(started, Started)
    assert started.ab_test
    assert ">Soon</div>" in started.content.body
    first, second, third = started.ab_test.variants
    assert (first.body, ">Now</div>" in (second.body or ""), third.body) == (None, True, CONTENT.body)


def test_the_winner_is_sent_with_the_same_content_as_in_the_test() -> None:
    test = with_test(Variant(key="A"), Variant(key="B", subject="Fresh", preheader="Now"))
    [created] = decide(replace(CREATE, language="de", ab_test=test), ALLOWED, NOW)
    [started] = decide(COMMANDS["send"], given(created), NOW)
    assert isinstance(started, Started)
    assert started.ab_test
    state = replace(given(created, started), figures=FIGURES)
    [won] = decide(CHOOSE_B, state, NOW)
    assert isinstance(won, CampaignWinnerDecided)
    tried = started.ab_test.variants[1]
    assert won.content == replace(started.content, subject=tried.subject, body=tried.body)


def test_the_first_variant_is_the_default() -> None:
    test = with_test(Variant(key="A", subject="First"), Variant(key="B"))
    [created] = decide(replace(CREATE, ab_test=test), ALLOWED, NOW)
    assert given(created).draft.mail_of(None).subject == "First"
    assert given(CREATED).draft.mail_of(None) == CONTENT
    with pytest.raises(Rejected):
        given(CREATED).draft.mail_of("A")


@pytest.mark.parametrize(
    ("variants", "fields"),
    [
        ((Variant(key="A"),), ["abTest.variants"]),
        ((Variant(key="A"), Variant(key="a", subject="x")), ["abTest.variants.1.key"]),
        ((Variant(key="A", subject="x"), Variant(key="B", subject="x")), ["abTest.variants.1"]),
        ((Variant(key="A"), Variant(key="B", subject="{{ x")), ["abTest.variants.1.subject"]),
        ((Variant(key="A", body="{% if %}"), Variant(key="B")), ["abTest.variants.0.body"]),
        ((Variant(key="A", preheader="{{ x"), Variant(key="B")), ["abTest.variants.0.preheader"]),
        ((Variant(key="A"), Variant(key="B", markdown="{% if %}")), ["abTest.variants.1.content"]),
        ((Variant(key="A"), Variant(key="B", markdown="Hi", body="<p>Ho</p>")), ["abTest.variants.1.content"]),
        ((Variant(key="A"), Variant(key="B", markdown="x" * 65_001)), ["abTest.variants.1.content"]),
        ((Variant(key="A"), Variant(key="B", subject="a\nb")), ["abTest.variants.1.subject"]),
        ((Variant(key="A", body="x" * 400_000), Variant(key="B", body="y" * 400_000)), ["abTest.variants"]),
    ],
    ids=["one", "key", "same", "subject", "body", "preheader", "markdown", "two bodies", "long", "lines", "large"],
)
def test_a_test_that_cannot_be_sent_is_rejected(variants: tuple[Variant, ...], fields: list[str]) -> None:
    for command, state in (
        (replace(CREATE, ab_test=with_test(*variants)), ALLOWED),
        (UpdateCampaign(campaign_id=ID, ab_test=with_test(*variants)), given(CREATED)),
    ):
        no = refusal(command, state)
        assert (no.code, [error.field for error in no.errors]) == ("VALIDATION_ERROR", fields)


def test_readiness_covers_every_variant() -> None:
    bare = replace(CREATE, content=replace(CONTENT, subject="", body=""), preheader="Soon")
    both = with_test(Variant(key="A", subject="a", body="a"), Variant(key="B", subject="b", body="b"))
    one = with_test(Variant(key="A", subject="a", body="a"), Variant(key="B", body="b"))
    for test, missing in ((both, []), (one, ["subject"]), (TEST, ["subject", "content"])):
        [created] = decide(replace(bare, ab_test=test), ALLOWED, NOW)
        assert given(created).readiness.missing == missing
