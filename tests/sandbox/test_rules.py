"""The pure parts of the sandbox: limits, outcomes of a message, links, bulk templates, MIME."""

from collections import Counter
from email import message_from_bytes, policy

import pytest

from deploy.sandbox.http.asgi import ApiError
from deploy.sandbox.http.requests import (
    BulkContent,
    BulkEntry,
    Destination,
    SendBulkEmail,
    Template,
    TemplateContent,
)
from deploy.sandbox.mailbox import mime
from deploy.sandbox.mailbox.links import clickable_links
from deploy.sandbox.mailbox.mail import Mail
from deploy.sandbox.mailbox.outcomes import Behaviour, Outcome, outcomes
from deploy.sandbox.ses.bulk import bulk_draft
from deploy.sandbox.ses.limits import DAY, DailyQuota, SendRate

ALWAYS = Behaviour(bounce=0, complaint=0, open=1, click=1)


def plan(message_id: str, *recipients: str, behaviour: Behaviour = ALWAYS, tracked: bool = True) -> list[Outcome]:
    return outcomes(message_id, recipients, tracked=tracked, suppressed={"gone@example.com"}, behaviour=behaviour)


def test_the_send_rate_allows_a_burst_of_one_second_and_then_its_rate() -> None:
    rate = SendRate(10, now=0)
    assert [rate.take(1, now=0) for _ in range(11)] == [True] * 10 + [False]
    assert rate.take(1, now=0.1)
    assert not rate.take(1, now=0.1)
    assert sum(rate.take(1, now=100) for _ in range(50)) == 10


def test_the_send_rate_counts_recipients_and_allows_a_large_message_when_full() -> None:
    rate = SendRate(2, now=0)
    assert rate.take(50, now=0)
    assert not rate.take(1, now=20)
    assert rate.take(1, now=25)


def test_a_changed_send_rate_applies_at_once() -> None:
    rate = SendRate(100, now=0)
    rate.change(1, now=0)
    assert [rate.take(1, now=0) for _ in range(2)] == [True, False]


def test_the_daily_quota_forgets_after_a_day() -> None:
    quota = DailyQuota(3)
    quota.add(2, now=1000)
    assert quota.allows(1, now=1000)
    assert not quota.allows(2, now=1000)
    assert quota.sent(now=1000 + DAY - 60) == 2
    assert quota.sent(now=1000 + DAY) == 0


def test_one_send_event_is_planned_for_all_recipients_and_the_rest_for_each() -> None:
    planned = plan("id", "ann@example.com", "gone@Example.com", "bounce@simulator.amazonses.com")
    assert [(event.kind, event.recipient) for event in planned] == [
        ("Send", ""),
        ("Delivery", "ann@example.com"),
        ("Open", "ann@example.com"),
        ("Click", "ann@example.com"),
        ("Bounce", "gone@Example.com"),
        ("Bounce", "bounce@simulator.amazonses.com"),
    ]


def test_events_happen_in_a_possible_order() -> None:
    for number in range(200):
        after = {event.kind: event.after for event in plan(f"id{number}", "ann@example.com")}
        assert after["Send"] < after["Delivery"] < after["Open"] < after["Click"]


def test_rates_hold_over_many_messages_and_every_click_implies_an_open() -> None:
    behaviour = Behaviour(bounce=0.1, complaint=0.05, open=0.4, click=0.1)
    plans = [[event.kind for event in plan(f"id{n}", "ann@example.com", behaviour=behaviour)] for n in range(20_000)]
    counted = Counter(kind for kinds in plans for kind in kinds)
    assert counted["Bounce"] == pytest.approx(2_000, rel=0.1)
    assert counted["Delivery"] == 20_000 - counted["Bounce"]
    assert counted["Open"] == pytest.approx(0.4 * counted["Delivery"], rel=0.1)
    assert counted["Click"] == pytest.approx(0.1 * counted["Delivery"], rel=0.1)
    assert counted["Complaint"] == pytest.approx(0.05 * counted["Delivery"], rel=0.15)
    assert all("Open" in kinds for kinds in plans if "Click" in kinds)


def test_the_same_message_or_the_same_seed_and_address_have_the_same_outcome() -> None:
    chance = Behaviour(bounce=0.5, open=0.5, click=0.2)
    assert plan("one", "ann@example.com", behaviour=chance) == plan("one", "ann@example.com", behaviour=chance)
    seeded = Behaviour(bounce=0.5, open=0.5, click=0.2, seed=7)
    fates = {tuple(plan(f"id{n}", "ann@example.com", behaviour=seeded)) for n in range(20)}
    assert len(fates) == 1


def test_untracked_email_is_neither_opened_nor_clicked() -> None:
    assert [event.kind for event in plan("id", "ann@example.com", tracked=False)] == ["Send", "Delivery"]


def test_unsubscribe_links_are_never_clicked() -> None:
    mail = Mail(
        headers=[("List-Unsubscribe", "<https://example.com/u/1>, <mailto:u@example.com>")],
        html="""<a href="https://example.com/u/1">x</a> <A HREF='https://example.com/good?a=1&amp;b=2'>Go</A>
        <a href=https://example.com/plain>Go</a> <a href="https://example.com/2"><b>Unsubscribe</b></a>
        <a href="#">x</a>""",
    )
    assert clickable_links(mail) == ["https://example.com/good?a=1&b=2", "https://example.com/plain"]


@pytest.mark.parametrize(
    ("template", "problem"),
    [("{{#if vip}}x{{/if}}", "plain variables only"), ("{{missing}}", "'missing' is not present")],
)
def test_a_template_that_cannot_be_filled_in_is_rejected(template: str, problem: str) -> None:
    call = SendBulkEmail(
        from_email_address="a@example.com",
        default_content=BulkContent(Template(template_content=TemplateContent(subject=template, text="x"))),
        bulk_email_entries=[],
    )
    with pytest.raises(ApiError, match=problem):
        bulk_draft(call, BulkEntry(destination=Destination(to_addresses=["b@example.com"])))


@pytest.mark.parametrize("text", ["Hello\r\nAnn", "Grüß Gott", "long " * 300, ""])
def test_written_mime_can_be_read_back(text: str) -> None:
    parts = [mime.text_part("plain", text), mime.text_part("html", f"<p>{text}</p>")]
    attachment = mime.attachment_part("application/pdf", 'a "plan".pdf', b"%PDF\x00", "ATTACHMENT", "cid1")
    content = mime.multipart("mixed", [mime.multipart("alternative", parts, "inner"), attachment], "outer")
    read = message_from_bytes(mime.message([("Subject", "Grüße"), ("X-A", "b")], content), policy=policy.default)
    assert (read["Subject"], read["X-A"]) == ("Grüße", "b")
    html = read.get_body(("html",))
    assert html is not None
    assert html.get_content().split() == f"<p>{text}</p>".split()
    (attached,) = read.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ('a "plan".pdf', b"%PDF\x00")
