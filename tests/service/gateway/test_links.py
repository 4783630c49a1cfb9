"""The links in mails, followed by people, by mail programs, and by those who only guess."""

from uuid import UUID, uuid4

import httpx

from libs.runtime import links
from libs.runtime.links import Target
from libs.schemas.contacts import UnsubscribeContact
from tests.service.gateway.conftest import World

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def contact_with_link(world: World, subscribed: bool = True) -> tuple[UUID, UUID, str]:
    """A contact, the mail that reached it, and the token in its links."""
    contact, mail = uuid4(), uuid4()
    world.contacts.subscribed[contact] = subscribed
    target = Target(world.project, contact, mail)
    return contact, mail, links.sign(world.gateway.settings.link_key, target)


async def test_looking_at_a_link_changes_nothing(world: World, stranger: httpx.AsyncClient) -> None:
    contact, _, token = contact_with_link(world)
    for path in ("unsubscribe", "subscribe", "manage"):
        assert (await stranger.get(f"/{path}/{token}")).status_code == 200
        seen = await stranger.head(f"/{path}/{token}")
        assert (seen.status_code, seen.content) == (200, b"")
    assert world.contacts.subscribed[contact] is True


async def test_the_page_names_sender_and_address_and_its_button_unsubscribes(
    world: World, stranger: httpx.AsyncClient
) -> None:
    contact, mail, token = contact_with_link(world)
    page = await stranger.get(f"/unsubscribe/{token}")
    assert "ada@example.com" in page.text
    assert "example.com" in page.text
    assert f'action="../unsubscribe/{token}"' in page.text
    after = await stranger.post(f"/unsubscribe/{token}")
    assert "You are unsubscribed" in after.text
    assert world.contacts.subscribed[contact] is False
    [command] = [m for m in world.contacts.done_for(world.project) if getattr(m, "contact_id", None) == contact]
    assert command == UnsubscribeContact(contact_id=contact, reason="link", email_id=mail)


async def test_one_click_unsubscribes_without_cookies_and_as_often_as_it_likes(
    world: World, stranger: httpx.AsyncClient
) -> None:
    contact, _, token = contact_with_link(world)
    for _ in range(3):
        response = await stranger.post(f"/unsubscribe/{token}", data=ONE_CLICK)
        assert (response.status_code, response.text) == (200, "You are unsubscribed")
        assert "Set-Cookie" not in response.headers
    multipart = await stranger.post(f"/unsubscribe/{token}", files={"List-Unsubscribe": (None, "One-Click")})
    assert multipart.status_code == 200
    assert world.contacts.subscribed[contact] is False


async def test_who_changes_their_mind_can_come_back(world: World, stranger: httpx.AsyncClient) -> None:
    contact, _, token = contact_with_link(world, subscribed=False)
    assert "Subscribe" in (await stranger.get(f"/subscribe/{token}")).text
    assert "You are subscribed" in (await stranger.post(f"/subscribe/{token}")).text
    assert world.contacts.subscribed[contact] is True


async def test_a_wrong_link_and_a_link_to_nobody_look_the_same(world: World, stranger: httpx.AsyncClient) -> None:
    _, _, good = contact_with_link(world)
    nobody = links.sign(world.gateway.settings.link_key, Target(world.project, uuid4(), uuid4()))
    foreign = links.sign("another key of another installation 123", Target(world.project, uuid4(), uuid4()))
    wrong = ["nonsense", good[:-1] + ("A" if good[-1] != "A" else "B"), nobody, foreign, "A" * 88, "%00", "é"]
    pages = [await stranger.get(f"/unsubscribe/{token}") for token in wrong]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1
    posted = [await stranger.post(f"/unsubscribe/{token}") for token in ("nonsense", foreign)]
    assert {(page.status_code, page.text) for page in posted} == {(404, pages[0].text)}


async def test_a_link_cannot_be_used_to_flood(world: World, stranger: httpx.AsyncClient) -> None:
    _, _, token = contact_with_link(world)
    responses = [await stranger.post(f"/unsubscribe/{token}", data=ONE_CLICK) for _ in range(32)]
    assert [response.status_code for response in responses] == [200] * 30 + [429] * 2
    assert "Retry-After" in responses[-1].headers
