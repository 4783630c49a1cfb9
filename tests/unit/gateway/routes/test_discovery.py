"""Routes are found by package, and all but a few require an API key."""

from services.gateway.http.auth import NEEDS_NO_KEY
from services.gateway.routes import contacts
from services.gateway.routes.discovery import route_handlers
from services.gateway.routes.v1 import send

OPEN = {
    *("/", "/livez", "/webhooks/sns"),
    *("/subscribe/{token:str}", "/unsubscribe/{token:str}", "/manage/{token:str}"),
}


def test_the_handlers_of_every_module_are_found_once() -> None:
    handlers = route_handlers()
    assert len(handlers) == len({id(handler) for handler in handlers})
    assert {contacts.list_contacts, contacts.save_contact, send.send} <= set(handlers)


def test_only_status_webhooks_and_links_need_no_key() -> None:
    paths = {path for handler in route_handlers() if NEEDS_NO_KEY in handler.opt for path in handler.paths}
    assert paths == OPEN
