"""A/B tests of campaigns: their bodies, their results, and choosing the winner."""

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
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Campaigns"]
LETTERS = "ABCDE"

VariantKey = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,20}$", examples=["B"])]


class VariantBody(Body, frozen=True, kw_only=True):
    """Fields that are not given are those of the campaign. `body` is HTML and `content` is Markdown; give one of the
    two. Without a key a variant is named by its position: A, B, C and so on."""

    key: VariantKey | None = None
    subject: Line | None = None
    preheader: Annotated[str, Meta(max_length=255)] | None = None
    body: Annotated[str, Meta(examples=["<p>Hello {{ firstName }}</p>"])] | None = None
    markdown: Annotated[str, Meta(max_length=65_000, examples=["# Hello {{ firstName }}"])] | None = field(
        default=None, name="content"
    )


class AbTestBody(Body, frozen=True, kw_only=True):
    """`sharePercent` of the audience get the variants, in equal parts. `decideAfterMinutes` after the last of these
    mails was sent, the variant with the highest rate of unique opens or clicks (`winnerBy`) wins and is sent to the
    rest."""

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
    """Without a variant, the one with the best results so far is chosen."""

    variant: VariantKey | None = None


T = TypeVar("T", bound=UnsetType | None)


def ab_test_of(body: AbTestBody | T) -> AbTest | T:
    """Return the A/B test of a body. None and UNSET stay what they are."""
    if not isinstance(body, AbTestBody):
        return body
    variants = [_variant(variant, LETTERS[n]) for n, variant in enumerate(body.variants)]
    return AbTest(**shared_fields(body, AbTest) | {"variants": variants})


def _variant(body: VariantBody, letter: str) -> Variant:
    given = {"key": body.key or letter, "body": body.body or None, "markdown": body.markdown or None}
    return Variant(**shared_fields(body, Variant) | given)


@get("/campaigns/{campaign_id:str}/ab-test", responses=query_responses(AbTestResults), tags=TAGS)
async def get_ab_test_results(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Compare the variants of a campaign's A/B test

    The recipients in the test by variant, with the `lift` over the first variant, and separately the `rest`. `leader`
    would win now; `decision` is the decision with the figures at that time. Opens and clicks by machines are not
    counted.
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

    Chooses this variant, or the one with the best results so far, before the decision is due. Only while the campaign
    is QUEUED, SENDING or PAUSED. The rest of the audience gets the winner; those in the test still get their variant.
    """
    variant = data.variant if data else None
    return RawResponse(
        await request.execute(ChooseWinner(campaign_id=_id(campaign_id), variant=variant, asked_at=now()))
    )


def _id(campaign_id: str) -> UUID:
    return parse_id(campaign_id, "Campaign")
