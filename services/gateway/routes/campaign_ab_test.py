"""A/B tests of campaigns: how one is asked for, what came of its variants, and choosing the winner."""

from typing import Annotated, TypeVar
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, UnsetType, field

from libs.kernel.structs import shared_fields
from libs.runtime.clock import now
from libs.schemas.campaigns.ab_tests import (
    AbTest,
    AbTestResults,
    Variant,
    WinnerBy,
)
from libs.schemas.campaigns.campaigns import CampaignView, ChooseWinner
from libs.schemas.campaigns.results import GetAbTestResults
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.fields import Line, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse, command_responses, query_responses

TAGS = ["Campaigns"]
LETTERS = "ABCDE"

VariantKey = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,20}$", examples=["B"])]


class VariantBody(Body, frozen=True, kw_only=True):
    """What is not given is as the campaign has it; `body` is HTML and `content` Markdown: one of the two. Without a
    key a variant is named by its place: A, B, C and so on."""

    key: VariantKey | None = None
    subject: Line | None = None
    preheader: Annotated[str, Meta(max_length=255)] | None = None
    body: Annotated[str, Meta(examples=["<p>Hello {{ firstName }}</p>"])] | None = None
    markdown: Annotated[str, Meta(max_length=65_000, examples=["# Hello {{ firstName }}"])] | None = field(
        default=None, name="content"
    )


class AbTestBody(Body, frozen=True, kw_only=True):
    """`sharePercent` of the audience get the variants, in equal parts. `decideAfterMinutes` after the last of these
    mails is out, the variant with the highest rate of unique opens or clicks (`winnerBy`) wins, and the rest gets it.
    """

    variants: Annotated[
        list[VariantBody],
        Meta(
            min_length=2,
            max_length=len(LETTERS),
            examples=[[{"key": "A"}, {"key": "B", "subject": "{{ firstName }}, have you seen this?"}]],
        ),
    ]
    share_percent: Annotated[int, Meta(ge=1, le=100)] = 20
    winner_by: WinnerBy = "opens"
    decide_after_minutes: Annotated[int, Meta(ge=1, le=10_080)] = 240


class WinnerBody(Body, frozen=True, kw_only=True):
    """Without a variant, the best one by what is counted so far."""

    variant: VariantKey | None = None


T = TypeVar("T", bound=UnsetType | None)


def ab_test_of(body: AbTestBody | T) -> AbTest | T:
    """Return the A/B test of a body. None and UNSET stay what they are."""
    if not isinstance(body, AbTestBody):
        return body
    variants = [_variant(variant, LETTERS[place]) for place, variant in enumerate(body.variants)]
    return AbTest(**shared_fields(body, AbTest) | {"variants": variants})


def _variant(body: VariantBody, letter: str) -> Variant:
    given = {"key": body.key or letter, "body": body.body or None, "markdown": body.markdown or None}
    return Variant(**shared_fields(body, Variant) | given)


@get("/campaigns/{campaign_id:str}/ab-test", responses=query_responses(AbTestResults), tags=TAGS)
async def get_ab_test_results(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Compare the variants of a campaign's A/B test

    Those who are in the test, variant by variant, with `lift` against the first one; and apart from them the `rest`.
    `leader` would win by what is counted now; `decision` is what was decided, with the figures of that moment. What
    machines opened or clicked is not counted.
    """
    return RawResponse(await request.query(GetAbTestResults(campaign_id=_id(campaign_id))))


@post(
    "/campaigns/{campaign_id:str}/ab-test/winner",
    status_code=200,
    responses=command_responses(CampaignView, 200),
    tags=TAGS,
)
async def choose_winner(
    campaign_id: FromPath[str], request: ApiRequest, data: JSONBody[WinnerBody | None] = None
) -> RawResponse:
    """Choose the winner of a campaign's A/B test

    Now, instead of when it is due: this variant, or the best one by what is counted so far. Only while the campaign is
    QUEUED, SENDING or PAUSED. The rest of the audience gets it; those in the test still get what they were to try.
    """
    variant = data.variant if data else None
    return RawResponse(
        await request.execute(ChooseWinner(campaign_id=_id(campaign_id), variant=variant, asked_at=now()))
    )


def _id(campaign_id: str) -> UUID:
    return parse_id(campaign_id, "Campaign")


ROUTES = [get_ab_test_results, choose_winner]
