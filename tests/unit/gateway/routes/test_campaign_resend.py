"""Resending a campaign: the list has every recipient who did not open it, however many there are."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from libs.schemas.base import Command
from libs.schemas.campaigns.ab_tests import AbTestView, Variant
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import CampaignView, Readiness
from libs.schemas.campaigns.results import CampaignRecipient, CampaignRecipients, ListCampaignRecipients
from libs.schemas.contacts.segments import AddSegmentMembers, CreateSegment
from services.gateway.http.api_request import ApiRequest
from services.gateway.routes.campaign_resend import ResendBody, _recipients_without_open, _resent
from services.gateway.routes.recipient_list import MAX_MEMBERS, create_list

MANY = 12_345


class FakeRequest:
    """A request whose services answer from memory. A command whose part was seen before is not done again."""

    def __init__(self, recipients: int = 0, command_id: UUID | None = None) -> None:
        self.context = self
        self.command_id = command_id or uuid4()
        self.recipients = [recipient(number) for number in range(recipients)]
        self.done: dict[str, Command] = {}

    async def execute(self, command: Command, part: str = "") -> bytes:
        self.done.setdefault(part, command)
        return b"{}"

    async def query_as(self, query: ListCampaignRecipients, _: type[CampaignRecipients]) -> CampaignRecipients:
        start = int(query.cursor or 0)
        some = self.recipients[start : start + query.limit]
        more = start + query.limit < len(self.recipients)
        return CampaignRecipients(data=some, cursor=str(start + query.limit) if more else None, has_more=more)

    @property
    def listed(self) -> list[str]:
        added = [command for command in self.done.values() if isinstance(command, AddSegmentMembers)]
        assert all(len(command.emails) <= MAX_MEMBERS for command in added)
        return [email for command in added for email in command.emails]


def recipient(number: int) -> CampaignRecipient:
    """Return a recipient. Every hundredth has been erased in the meantime."""
    nothing: dict[str, Any] = dict.fromkeys(
        ["reason", "sent_at", "delivered_at", "opened_at", "clicked_at", "bounced_at", "soft_bounced_at"]
    )
    known: dict[str, Any] = {"contact_id": uuid4(), "email_id": uuid4(), "status": "sent", "opens": 0, "clicks": 0}
    email = f"reader.{number}@example.com" if number % 100 else None
    return CampaignRecipient(email=email, complained_at=None, unsubscribed=False, **nothing, **known)


async def of(*pages: Sequence[str]) -> AsyncIterator[Sequence[str]]:
    for page in pages:
        yield page


async def test_every_recipient_who_did_not_open_is_put_on_the_list_once() -> None:
    request = FakeRequest(MANY)
    await create_list(
        cast(ApiRequest, request), _recipients_without_open(cast(ApiRequest, request), uuid4()), create_missing=False
    )
    assert request.listed == [each.email for each in request.recipients if each.email]
    assert isinstance(request.done["recipients"], CreateSegment)


async def test_a_repeat_uses_the_same_list_and_adds_recipients_who_moved_up() -> None:
    people = [f"reader.{number}@example.com" for number in range(1500)]
    first = FakeRequest()
    made = await create_list(
        cast(ApiRequest, first), of(people[:1000]), create_missing=False
    )  # and then the client was gone
    again = FakeRequest(command_id=first.command_id)
    again.done = first.done
    without_an_opener = people[:7] + people[8:]
    assert made == await create_list(cast(ApiRequest, again), of(without_an_opener), create_missing=False)
    assert set(again.listed) == set(people)


async def test_no_recipients_make_no_page() -> None:
    request = FakeRequest(1)
    assert [page async for page in _recipients_without_open(cast(ApiRequest, request), uuid4())] == []
    assert (await request.query_as(ListCampaignRecipients(campaign_id=uuid4()), CampaignRecipients)).data


def after_a_test(*variants: Variant, winner: str | None = None) -> CampaignView:
    """Return a campaign that was sent with an A/B test."""
    unknown: dict[str, Any] = dict.fromkeys(CampaignView.__struct_fields__)
    test = AbTestView(
        variants=list(variants),
        share_percent=20,
        winner_by="opens",
        decide_after_minutes=60,
        phase="DECIDED" if winner else None,
        decide_at=None,
        winner=winner,
        decided_by=None,
        decided_at=None,
    )
    said: dict[str, Any] = {
        "name": "News",
        "subject": "Plain",
        "body": "<p>Hi</p>",
        "markdown": "Hi",
        "preheader": "Soon",
    }
    given: dict[str, Any] = {"kind": "MARKETING", "readiness": Readiness(can_send=True, missing=[]), "ab_test": test}
    return CampaignView(**unknown | said | given)


@pytest.mark.parametrize(
    ("campaign", "expected"),
    [
        (
            after_a_test(Variant(key="A"), Variant(key="B", subject="Fresh"), winner="B"),
            ("Fresh", "<p>Hi</p>", "Hi", "Soon"),
        ),
        (
            after_a_test(Variant(key="A"), Variant(key="B", subject="Fresh"), winner="A"),
            ("Plain", "<p>Hi</p>", "Hi", "Soon"),
        ),
        (after_a_test(Variant(key="A", body="<b>"), Variant(key="B"), winner="A"), ("Plain", "<b>", None, "Soon")),
        (after_a_test(Variant(key="A", subject="First"), Variant(key="B")), ("First", "<p>Hi</p>", "Hi", "Soon")),
        (after_a_test(Variant(key="A", preheader=""), Variant(key="B"), winner="A"), ("Plain", "<p>Hi</p>", "Hi", "")),
    ],
)
def test_the_winner_of_an_ab_test_is_resent(campaign: CampaignView, expected: tuple[str | None, ...]) -> None:
    second = _resent(campaign, ResendBody(), Audience(audience_type="ALL"))
    assert (second.content.subject, second.content.body, second.markdown, second.preheader) == expected
    assert second.ab_test is None
