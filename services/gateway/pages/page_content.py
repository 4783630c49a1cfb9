"""What each page says, and which buttons it has. Pure."""

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from libs.schemas.contacts.contacts import ContactView
from services.gateway.pages.pause import PAUSE_LENGTHS
from services.gateway.pages.render import Action, Choice, Page
from services.gateway.pages.translations import TRANSLATIONS, Translation, format_day

PageKind = Literal["subscribe", "unsubscribe", "manage"]

PAUSE = "pause"
"""The name under which the form posts for how long."""

Texts: TypeAlias = dict[str, str]


class Visit(msgspec.Struct, frozen=True):
    """Someone who follows a link: the contact as it is now, what the sender is called, and the language to speak."""

    token: str
    contact: ContactView
    sender: str | None
    locale: str


def page_of(wish: PageKind, visit: Visit) -> Page:
    """The question that the link asks, or the state that makes it needless."""
    words = TRANSLATIONS[visit.locale]
    names = {"address": visit.contact.email, "sender": visit.sender or words.this_sender}
    title, text, button = _said(wish, visit, words)
    return Page(
        locale=visit.locale,
        title=title,
        text=text.format(**names, date=_end(visit)),
        button=button,
        choice=_pause(visit, words) if visit.contact.subscribed and wish != "subscribe" else None,
    )


def gone(locale: str) -> Page:
    words = TRANSLATIONS[locale]
    return Page(locale=locale, status=404, title=words.gone, text=words.gone_text)


def later(locale: str) -> Page:
    words = TRANSLATIONS[locale]
    return Page(locale=locale, status=503, title=words.later, text=words.later_text, retry_after=5)


def too_often(locale: str) -> Page:
    words = TRANSLATIONS[locale]
    return Page(locale=locale, status=429, title=words.too_often, text=words.too_often_text, retry_after=60)


def on_its_way(locale: str) -> Page:
    words = TRANSLATIONS[locale]
    return Page(locale=locale, status=202, title=words.saved, text=words.saved_text)


def _said(wish: PageKind, visit: Visit, words: Translation) -> tuple[str, str, Action]:
    """The title, the text with its gaps, and the main button."""
    subscribe, unsubscribe = f"../subscribe/{visit.token}", f"../unsubscribe/{visit.token}"
    match wish, visit.contact.subscribed:
        case "unsubscribe", True:
            return words.unsubscribe, words.unsubscribe_question, Action(words.unsubscribe, unsubscribe)
        case "subscribe", False:
            return words.subscribe, words.subscribe_question, Action(words.subscribe, subscribe)
        case _, True:
            return words.subscribed, words.subscribed_text, Action(words.unsubscribe, unsubscribe)
        case _ if visit.contact.snoozed_until:
            return words.paused, words.paused_text, Action(words.resume, subscribe)
        case _:
            return words.unsubscribed, words.unsubscribed_text, Action(words.subscribe_again, subscribe)


def _pause(visit: Visit, words: Translation) -> Choice:
    options: Texts = {length: getattr(words, length) for length in PAUSE_LENGTHS}
    return Choice(PAUSE, words.pause_question, options, Action(words.pause, f"../manage/{visit.token}"))


def _end(visit: Visit) -> str:
    until = visit.contact.snoozed_until
    return format_day(datetime.fromisoformat(until), visit.locale) if until else ""
