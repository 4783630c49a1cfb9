"""Double opt-in through the API."""

from uuid import UUID, uuid4

import httpx

from libs.schemas.delivery.emails import SendEmail
from tests.service.gateway.conftest import World


def mails_to(world: World, contact: UUID) -> list[SendEmail]:
    done = world.delivery.done_for(world.project)
    return [message for message in done if isinstance(message, SendEmail) and message.contact_id == contact]


async def test_the_mail_asks_in_the_contacts_language_and_links_to_the_page(
    world: World, api: httpx.AsyncClient
) -> None:
    contact = uuid4()
    world.contacts.subscribed[contact] = False
    world.contacts.data[contact] = {"locale": "de"}
    response = await api.post(f"/contacts/{contact}/confirmation", json={"from": "hello@example.com"})
    assert response.status_code == 200
    [mail] = mails_to(world, contact)
    assert mail.content and mail.content.subject == "Bitte bestätigen Sie Ihre Anmeldung"
    assert 'href="{{ subscribeUrl }}"' in mail.content.body and "{{ email }}" in mail.content.body
    assert (mail.content.kind, mail.content.from_email) == ("TRANSACTIONAL", "hello@example.com")


async def test_the_mail_can_be_a_template_of_the_project(world: World, api: httpx.AsyncClient) -> None:
    contact, template = uuid4(), uuid4()
    world.contacts.subscribed[contact] = False
    await api.post(f"/contacts/{contact}/confirmation", json={"template": str(template)})
    [mail] = mails_to(world, contact)
    assert (mail.template_id, mail.content) == (template, None)


async def test_a_sender_or_a_template_is_required(world: World, api: httpx.AsyncClient) -> None:
    contact = uuid4()
    world.contacts.subscribed[contact] = False
    response = await api.post(f"/contacts/{contact}/confirmation", json={})
    assert (response.status_code, response.json()["error"]["errors"][0]["field"]) == (422, "from")
    assert mails_to(world, contact) == []
