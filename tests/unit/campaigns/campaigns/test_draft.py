"""Drafts and their updates."""

from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import CreateCampaign, SendWindow, UpdateCampaign
from libs.schemas.contacts.contacts import Condition, Filter, Group
from libs.schemas.delivery.content import Content, Utm
from services.campaigns.campaigns.draft import Draft, create_draft, updated_draft

ID, SEGMENT, LIST = uuid4(), uuid4(), uuid4()
CONTENT = Content(subject="News", body="<p>Hello</p>", from_email="us@example.com", from_name="Us")
DRAFT = Draft(campaign_id=ID, name="News", content=CONTENT, audience=Audience(audience_type="ALL"))
RICH = Draft(
    campaign_id=ID, name="News", content=Content(subject="", body='<p style="color:red">Hi</p>', from_email="")
)
CONDITION = Condition(logic="AND", groups=[Group(filters=[Filter(field="email", operator="exists")])])


def test_only_given_fields_change_and_null_clears() -> None:
    after = updated_draft(DRAFT, UpdateCampaign(campaign_id=ID, subject=None, from_name=None, preheader="Soon"))
    assert after.content == Content(subject="", body="<p>Hello</p>", from_email="us@example.com")
    assert (after.name, after.preheader, after.audience) == ("News", "Soon", DRAFT.audience)


def test_a_rate_and_a_window_can_be_set_and_removed() -> None:
    window = SendWindow(start="09:00", end="18:00")
    paced = updated_draft(DRAFT, UpdateCampaign(campaign_id=ID, send_rate=500, send_window=window))
    assert (paced.send_rate, paced.send_window) == (500, window)
    assert updated_draft(paced, UpdateCampaign(campaign_id=ID, name="Other")).send_window == window
    assert updated_draft(paced, UpdateCampaign(campaign_id=ID, name="News", send_rate=None, send_window=None)) == DRAFT


def test_utm_parameters_belong_to_the_content() -> None:
    utm = Utm(source="newsletter")
    tagged = updated_draft(DRAFT, UpdateCampaign(campaign_id=ID, utm=utm))
    assert tagged.mail.utm == utm
    assert updated_draft(tagged, UpdateCampaign(campaign_id=ID, utm=None)) == DRAFT


def test_markdown_is_compiled_into_the_body() -> None:
    create = CreateCampaign(
        campaign_id=ID, name="x", content=Content(subject="", body="", from_email=""), markdown="*a*"
    )
    draft = create_draft(create)
    assert (draft.markdown, draft.content.body) == ("*a*", "<p><em>a</em></p>\n")
    again = updated_draft(draft, UpdateCampaign(campaign_id=ID, markdown="b"))
    assert (again.markdown, again.content.body) == ("b", "<p>b</p>\n")
    cleared = updated_draft(draft, UpdateCampaign(campaign_id=ID, markdown=None))
    assert (cleared.markdown, cleared.content.body) == (None, "")


def test_html_replaces_markdown() -> None:
    draft = updated_draft(DRAFT, UpdateCampaign(campaign_id=ID, markdown="*a*"))
    after = updated_draft(draft, UpdateCampaign(campaign_id=ID, body="<b>b</b>"))
    assert (after.markdown, after.content.body) == (None, "<b>b</b>")


def test_a_body_that_markdown_cannot_preserve_is_only_replaced_with_overwrite() -> None:
    with pytest.raises(Rejected) as no:
        updated_draft(RICH, UpdateCampaign(campaign_id=ID, markdown="b"))
    assert no.value.code == "CONTENT_OVERWRITE_REQUIRED"
    assert (
        updated_draft(RICH, UpdateCampaign(campaign_id=ID, markdown="b", overwrite=True)).content.body == "<p>b</p>\n"
    )
    assert updated_draft(RICH, UpdateCampaign(campaign_id=ID, body="<i>c</i>")).content.body == "<i>c</i>"


def test_markdown_has_a_maximum_length() -> None:
    with pytest.raises(Rejected) as no:
        updated_draft(DRAFT, UpdateCampaign(campaign_id=ID, markdown="x" * 65_001))
    assert [error.field for error in no.value.errors] == ["content"]


@pytest.mark.parametrize(
    ("before", "given", "after"),
    [
        (None, {"segment_id": SEGMENT}, Audience(audience_type="SEGMENT", segment_id=SEGMENT)),
        (None, {"audience_condition": CONDITION}, Audience(audience_type="FILTERED", audience_condition=CONDITION)),
        (
            Audience(audience_type="SEGMENT", segment_id=SEGMENT),
            {"list_id": LIST},
            Audience(audience_type="SEGMENT", segment_id=SEGMENT, list_id=LIST),
        ),
        (
            Audience(audience_type="SEGMENT", segment_id=SEGMENT, list_id=LIST),
            {"segment_id": None},
            Audience(audience_type="SEGMENT", list_id=LIST),
        ),
        (Audience(audience_type="SEGMENT", segment_id=SEGMENT), {"segment_id": None}, None),
        (Audience(audience_type="ALL"), {"segment_id": None}, Audience(audience_type="ALL")),
        (
            Audience(audience_type="SEGMENT", segment_id=SEGMENT),
            {"audience_type": "ALL"},
            Audience(audience_type="ALL"),
        ),
        (Audience(audience_type="ALL"), {"audience_type": None}, None),
        (Audience(audience_type="ALL"), {"audience_type": "SEGMENT"}, Audience(audience_type="SEGMENT")),
    ],
)
def test_given_fields_set_the_audience(before: Audience | None, given: dict[str, Any], after: Audience | None) -> None:
    draft = Draft(campaign_id=ID, name="x", content=CONTENT, audience=before)
    assert updated_draft(draft, UpdateCampaign(campaign_id=ID, **given)).audience == after


def test_the_mail_has_the_campaigns_language() -> None:
    assert updated_draft(DRAFT, UpdateCampaign(campaign_id=ID, language="de")).mail.language == "de"


def test_the_unknown_policy_stays_until_it_is_changed() -> None:
    never = updated_draft(DRAFT, UpdateCampaign(campaign_id=ID, unknown_policy="NEVER"))
    assert never.unknown_policy == "NEVER"
    assert updated_draft(never, UpdateCampaign(campaign_id=ID, name="News")) == replace(never, name="News")
    assert updated_draft(never, UpdateCampaign(campaign_id=ID, unknown_policy="RESEND")) == DRAFT
