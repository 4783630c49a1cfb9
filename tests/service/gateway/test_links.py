"""The links in mails, opened by people, by mail programs, and by attackers who guess."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import httpx

from libs.kernel import links
from libs.kernel.links import LinkTarget
from libs.runtime.clock import now, uuid5
from libs.schemas.contacts.contacts import UnsubscribeContact
from services.gateway.accounts import keys
from services.gateway.accounts.bootstrap import NAMESPACE
from tests.conftest import Stack
from tests.service.gateway.conftest import World, gateway_for, url_of

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def contact_with_link(world: World, subscribed: bool = True) -> tuple[UUID, UUID, str]:
    """A contact, a mail that it received, and the token in the mail's links."""
    contact, mail = uuid4(), uuid4()
    world.contacts.subscribed[contact] = subscribed
    target = LinkTarget(world.project, contact, mail)
    return contact, mail, links.sign(world.gateway.settings.link_keys, target)


async def test_opening_a_link_changes_nothing(world: World, stranger: httpx.AsyncClient) -> None:
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


async def test_one_click_unsubscribes_without_cookies_and_can_be_repeated(
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


async def test_a_contact_can_subscribe_again(world: World, stranger: httpx.AsyncClient) -> None:
    contact, _, token = contact_with_link(world, subscribed=False)
    assert "Subscribe" in (await stranger.get(f"/subscribe/{token}")).text
    assert "You are subscribed" in (await stranger.post(f"/subscribe/{token}")).text
    assert world.contacts.subscribed[contact] is True


async def test_the_form_pauses_mails_for_the_chosen_time(world: World, stranger: httpx.AsyncClient) -> None:
    contact, mail, token = contact_with_link(world)
    page = await stranger.post(f"/manage/{token}", data={"pause": "one_month"})
    assert "Emails are paused" in page.text and "Resume now" in page.text
    [command] = [m for m in world.contacts.done_for(world.project) if getattr(m, "contact_id", None) == contact]
    assert (command.reason, command.email_id) == ("snooze", mail)
    assert timedelta(days=27) < datetime.fromisoformat(command.until) - now() < timedelta(days=32)


async def test_an_unknown_pause_length_changes_nothing(world: World, stranger: httpx.AsyncClient) -> None:
    contact, _, token = contact_with_link(world)
    for body in (b"", b"pause=forever", b"pause=", b"\xff\x00&&=&pause", b"pause=one_month%00"):
        response = await stranger.post(f"/manage/{token}", content=body)
        assert (response.status_code, "You are subscribed" in response.text) == (200, True)
    assert world.contacts.subscribed[contact] is True


async def test_pages_are_in_the_contacts_language_then_the_browsers(world: World, stranger: httpx.AsyncClient) -> None:
    contact, _, token = contact_with_link(world)
    swedish = await stranger.get(f"/manage/{token}", headers={"Accept-Language": "sv-SE,sv;q=0.9,en;q=0.8"})
    assert (swedish.headers["Content-Language"], "Du prenumererar" in swedish.text) == ("sv", True)
    world.contacts.data[contact] = {"locale": "ja"}
    japanese = await stranger.get(f"/manage/{token}", headers={"Accept-Language": "sv"})
    assert '<html lang="ja">' in japanese.text
    lost = await stranger.get("/manage/nonsense", headers={"Accept-Language": "fr"})
    assert "Ce lien ne fonctionne pas" in lost.text


async def test_a_projects_language_has_priority_over_the_browsers(stack: Stack, world: World) -> None:
    secret, public = keys.generate("secret"), keys.generate("public")
    async with gateway_for(stack, secret, public) as gateway:
        contact, project = uuid4(), uuid5(NAMESPACE, secret)
        world.contacts.subscribed[contact] = True
        token = links.sign(gateway.settings.link_keys, LinkTarget(project, contact, uuid4()))
        headers = {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(base_url=url_of(gateway), timeout=30) as client:
            changed = await client.patch(
                f"/users/@me/projects/{project}", headers=headers, json={"name": "Grüner Tee", "language": "de-CH"}
            )
            assert (changed.status_code, changed.json()["language"]) == (200, "de-CH")
            page = await client.get(f"/unsubscribe/{token}", headers={"Accept-Language": "sv"})
            assert "Werbe-E-Mails von Grüner Tee" in page.text


async def test_a_project_is_changed_by_its_own_key_to_a_supported_language(
    world: World, api: httpx.AsyncClient, other_project: httpx.AsyncClient
) -> None:
    [mine] = (await api.get("/users/@me/projects")).json()
    assert mine["id"] == str(world.project)
    path = f"/users/@me/projects/{world.project}"
    rejected = await api.patch(path, json={"language": "tlh"})
    assert (rejected.status_code, rejected.json()["error"]["errors"][0]["field"]) == (422, "language")
    assert (await other_project.patch(path, json={"name": "Mine now"})).status_code == 404
    for field, value in (("timezone", "Mars/Olympus"), ("tracking", False)):
        no = await api.patch(path, json={field: value})
        assert (no.status_code, no.json()["error"]["errors"][0]["field"]) == (422, field)
    assert (await api.get("/users/@me/projects")).json() == [mine]
    moved = await api.patch(path, json={"timezone": "Europe/Berlin"})
    assert (moved.status_code, moved.json()["timezone"], moved.json()["tracking"]) == (200, "Europe/Berlin", True)
    assert (await api.patch(path, json={"timezone": None})).json()["timezone"] is None


async def test_an_invalid_link_and_a_link_to_no_contact_look_the_same(
    world: World, stranger: httpx.AsyncClient
) -> None:
    _, _, good = contact_with_link(world)
    nobody = links.sign(world.gateway.settings.link_keys, LinkTarget(world.project, uuid4(), uuid4()))
    foreign = links.sign(
        links.KeyRing(("another key of another installation 123",)), LinkTarget(world.project, uuid4(), uuid4())
    )
    wrong = ["nonsense", good[:-1] + ("A" if good[-1] != "A" else "B"), nobody, foreign, "A" * 88, "%00", "é"]
    pages = [await stranger.get(f"/unsubscribe/{token}") for token in wrong]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1
    posted = [await stranger.post(f"/unsubscribe/{token}") for token in ("nonsense", foreign)]
    assert {(page.status_code, page.text) for page in posted} == {(404, pages[0].text)}


async def test_a_link_cannot_be_used_to_flood(world: World, stranger: httpx.AsyncClient) -> None:
    _, _, token = contact_with_link(world)
    clicks = [stranger.post(f"/unsubscribe/{token}", data=ONE_CLICK) for _ in range(80)]
    responses = await asyncio.gather(*clicks)
    rejected = [response for response in responses if response.status_code == 429]
    assert 0 < len(rejected) <= 50
    assert {response.status_code for response in responses} == {200, 429}
    assert all("Retry-After" in response.headers for response in rejected)
