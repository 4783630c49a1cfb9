"""The texts of the pages behind mail links."""

from datetime import UTC, datetime
from string import Formatter
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from libs.kernel.locales import LOCALES
from libs.schemas.contacts.contacts import ContactView
from services.gateway.pages.page import Action, Page
from services.gateway.pages.page_content import PageKind, Visit, page_of
from services.gateway.pages.pause import PAUSE_LENGTHS, PauseLength, pause_end
from services.gateway.pages.render import respond
from services.gateway.pages.translations import TRANSLATIONS, Translation

MARCH = "2027-03-03T09:00:00.000Z"


def visit(subscribed: bool, email: str = "ada@example.com", locale: str = "en", until: str | None = None) -> Visit:
    contact = ContactView(
        id=uuid4(),
        email=email,
        subscribed=subscribed,
        data={},
        created_at="",
        updated_at="",
        snoozed_until=until or msgspec.UNSET,
    )
    return Visit("TOKEN", contact, "Example", locale)


@pytest.mark.parametrize(
    ("kind", "subscribed", "title", "button"),
    [
        ("unsubscribe", True, "Unsubscribe", Action("Unsubscribe", "../unsubscribe/TOKEN")),
        ("unsubscribe", False, "You are unsubscribed", Action("Subscribe again", "../subscribe/TOKEN")),
        ("subscribe", False, "Subscribe", Action("Subscribe", "../subscribe/TOKEN")),
        ("subscribe", True, "You are subscribed", Action("Unsubscribe", "../unsubscribe/TOKEN")),
        ("manage", True, "You are subscribed", Action("Unsubscribe", "../unsubscribe/TOKEN")),
        ("manage", False, "You are unsubscribed", Action("Subscribe again", "../subscribe/TOKEN")),
    ],
)
def test_a_page_asks_what_its_link_is_for_or_shows_that_it_is_done(
    kind: PageKind, subscribed: bool, title: str, button: Action
) -> None:
    page = page_of(kind, visit(subscribed))
    assert (page.title, page.button, page.status) == (title, button, 200)
    assert page.button and "ada@example.com" in page_of("manage", visit(subscribed)).text


def test_a_subscribed_contact_can_pause_and_a_paused_one_sees_until_when() -> None:
    choice = page_of("manage", visit(True)).choice
    assert choice and (tuple(choice.options), choice.button.to) == (PAUSE_LENGTHS, "../manage/TOKEN")
    page = page_of("manage", visit(False, locale="de", until=MARCH))
    assert (page.title, page.choice) == ("E-Mails sind pausiert", None)
    assert "bis zum 3. März 2027" in page.text


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_every_text_with_its_placeholders(locale: str) -> None:
    texts, english = TRANSLATIONS[locale], TRANSLATIONS["en"]
    for field in Translation.__struct_fields__:
        assert getattr(texts, field).strip()
        assert _gaps(getattr(texts, field)) == _gaps(getattr(english, field)), field


def test_no_two_languages_have_the_same_texts() -> None:
    encoded = [msgspec.json.encode(texts) for texts in TRANSLATIONS.values()]
    assert len(set(encoded)) == len(LOCALES)


def _gaps(text: str) -> set[str | None]:
    return {gap for _, gap, _, _ in Formatter().parse(text) if gap}


@pytest.mark.parametrize(
    ("length", "end"),
    [
        ("two_weeks", (2027, 2, 14)),
        ("one_month", (2027, 2, 28)),
        ("six_months", (2027, 7, 31)),
        ("one_year", (2028, 1, 31)),
    ],
)
def test_a_pause_ends_on_the_same_day_of_the_month_or_on_its_last(
    length: PauseLength, end: tuple[int, int, int]
) -> None:
    assert pause_end(length, datetime(2027, 1, 31, 9, tzinfo=UTC)) == datetime(*end, 9, tzinfo=UTC)


async def html_of(page: Page) -> tuple[dict[bytes, bytes], str]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await respond(page)({}, None, send)  # type: ignore[arg-type]  # it looks at neither
    return dict(sent[0]["headers"]), sent[1]["body"].decode()


async def test_an_address_cannot_become_html() -> None:
    _, html = await html_of(page_of("unsubscribe", visit(True, '"><script>alert(1)</script>@example.com')))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


async def test_a_page_runs_no_scripts_loads_nothing_and_leaks_no_link() -> None:
    headers, html = await html_of(page_of("unsubscribe", visit(True)))
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
    assert (headers[b"referrer-policy"], headers[b"cache-control"]) == (b"no-referrer", b"no-store")
    assert "http" not in html.replace("http-equiv", "")


async def test_a_page_is_accessible() -> None:
    _, html = await html_of(page_of("unsubscribe", visit(True)))
    assert '<html lang="en">' in html
    assert "<title>Unsubscribe</title>" in html
    assert '<form method="post" action="../unsubscribe/TOKEN"><button type="submit">' in html
