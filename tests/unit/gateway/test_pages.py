"""What the pages behind mail links say."""

from typing import Any
from uuid import uuid4

import pytest

from libs.schemas.contacts import ContactView
from services.gateway.pages.render import Action, Page, respond
from services.gateway.pages.subscription import Visit, Wish, page_of


def visit(subscribed: bool, email: str = "ada@example.com") -> Visit:
    contact = ContactView(id=uuid4(), email=email, subscribed=subscribed, data={}, created_at="", updated_at="")
    return Visit("TOKEN", contact, "Example")


@pytest.mark.parametrize(
    ("wish", "subscribed", "title", "button"),
    [
        ("unsubscribe", True, "Unsubscribe", Action("Unsubscribe", "../unsubscribe/TOKEN")),
        ("unsubscribe", False, "You are unsubscribed", Action("Subscribe again", "../subscribe/TOKEN")),
        ("subscribe", False, "Subscribe", Action("Subscribe", "../subscribe/TOKEN")),
        ("subscribe", True, "You are subscribed", Action("Unsubscribe", "../unsubscribe/TOKEN")),
        ("manage", True, "You are subscribed", Action("Unsubscribe", "../unsubscribe/TOKEN")),
        ("manage", False, "You are unsubscribed", Action("Subscribe again", "../subscribe/TOKEN")),
    ],
)
def test_a_page_asks_what_the_link_is_for_or_shows_that_it_is_done(
    wish: Wish, subscribed: bool, title: str, button: Action
) -> None:
    page = page_of(wish, visit(subscribed))
    assert (page.title, page.button, page.status) == (title, button, 200)
    assert "ada@example.com" in page.text


async def html_of(page: Page) -> tuple[dict[bytes, bytes], str]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await respond(page)({}, None, send)  # type: ignore[arg-type]  # it looks at neither
    return dict(sent[0]["headers"]), sent[1]["body"].decode()


async def test_what_contacts_are_called_cannot_become_html() -> None:
    _, html = await html_of(page_of("unsubscribe", visit(True, '"><script>alert(1)</script>@example.com')))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


async def test_a_page_runs_no_scripts_loads_nothing_and_leaks_no_link() -> None:
    headers, html = await html_of(page_of("unsubscribe", visit(True)))
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
    assert (headers[b"referrer-policy"], headers[b"cache-control"]) == (b"no-referrer", b"no-store")
    assert "http" not in html.replace("http-equiv", "")


async def test_a_page_can_be_used_without_seeing_it() -> None:
    _, html = await html_of(page_of("unsubscribe", visit(True)))
    assert '<html lang="en">' in html
    assert "<title>Unsubscribe</title>" in html
    assert '<form method="post" action="../unsubscribe/TOKEN"><button type="submit">' in html
