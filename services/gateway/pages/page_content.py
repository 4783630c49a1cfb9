"""The texts and buttons of each page. Pure."""

from datetime import datetime
from typing import Literal

import msgspec

from libs.schemas.contacts.contacts import ContactView
from services.gateway.pages.page import Action, Choice, Page
from services.gateway.pages.pause import PAUSE_LENGTHS
from services.gateway.pages.translations import TRANSLATIONS, Translation, format_day

PageKind = Literal["subscribe", "unsubscribe", "manage"]

PAUSE = "pause"
"""The name of the form field that says how long to pause."""


class Visit(msgspec.Struct, frozen=True):
    """A visit to a link: the contact as it is now, the name of the sender, and the language of the page."""

    token: str
    contact: ContactView
    sender: str | None
    locale: str


def page_of(kind: PageKind, visit: Visit) -> Page:
    """Return the page that the link asks for, or the one that says that it is done already."""
    texts = TRANSLATIONS[visit.locale]
    names = {"address": visit.contact.email, "sender": visit.sender or texts.this_sender}
    title, text, button = _content(kind, visit, texts)
    return Page(
        locale=visit.locale,
        title=title,
        text=text.format(**names, date=_paused_until(visit)),
        button=button,
        choice=_pause(visit, texts) if visit.contact.subscribed and kind != "subscribe" else None,
    )


def invalid_link(locale: str) -> Page:
    texts = TRANSLATIONS[locale]
    return Page(locale=locale, status=404, title=texts.gone, text=texts.gone_text)


def unavailable(locale: str) -> Page:
    texts = TRANSLATIONS[locale]
    return Page(locale=locale, status=503, title=texts.later, text=texts.later_text, retry_after=5)


def rate_limited(locale: str) -> Page:
    texts = TRANSLATIONS[locale]
    return Page(locale=locale, status=429, title=texts.too_often, text=texts.too_often_text, retry_after=60)


def accepted(locale: str) -> Page:
    texts = TRANSLATIONS[locale]
    return Page(locale=locale, status=202, title=texts.saved, text=texts.saved_text)


def _content(kind: PageKind, visit: Visit, texts: Translation) -> tuple[str, str, Action]:
    """Return the title, the text with its placeholders, and the main button."""
    subscribe, unsubscribe = f"../subscribe/{visit.token}", f"../unsubscribe/{visit.token}"
    match kind, visit.contact.subscribed:
        case "unsubscribe", True:
            return texts.unsubscribe, texts.unsubscribe_question, Action(texts.unsubscribe, unsubscribe)
        case "subscribe", False:
            return texts.subscribe, texts.subscribe_question, Action(texts.subscribe, subscribe)
        case _, True:
            return texts.subscribed, texts.subscribed_text, Action(texts.unsubscribe, unsubscribe)
        case _ if visit.contact.snoozed_until:
            return texts.paused, texts.paused_text, Action(texts.resume, subscribe)
        case _:
            return texts.unsubscribed, texts.unsubscribed_text, Action(texts.subscribe_again, subscribe)


def _pause(visit: Visit, texts: Translation) -> Choice:
    options: dict[str, str] = {length: getattr(texts, length) for length in PAUSE_LENGTHS}
    return Choice(PAUSE, texts.pause_question, options, Action(texts.pause, f"../manage/{visit.token}"))


def _paused_until(visit: Visit) -> str:
    until = visit.contact.snoozed_until
    return format_day(datetime.fromisoformat(until), visit.locale) if until else ""
