"""The texts of the pages and of the confirmation mail: one JSON file per language in `translations/`."""

from datetime import date
from pathlib import Path

import msgspec
from babel import Locale
from babel.dates import format_date

from libs.kernel.locales import LOCALES

FILES = Path(__file__).parent / "translations"


class Translation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of one language. `{sender}`, `{address}` and `{date}` are filled in by `str.format`."""

    unsubscribe: str
    unsubscribe_question: str
    subscribe: str
    subscribe_question: str
    subscribed: str
    subscribed_text: str
    unsubscribed: str
    unsubscribed_text: str
    subscribe_again: str
    paused: str
    paused_text: str
    resume: str
    pause_question: str
    pause: str
    two_weeks: str
    one_month: str
    six_months: str
    one_year: str
    gone: str
    gone_text: str
    later: str
    later_text: str
    too_often: str
    too_often_text: str
    saved: str
    saved_text: str
    this_sender: str
    confirm_subject: str
    confirm_question: str
    confirm: str
    confirm_ignore: str


def _read(locale: str) -> Translation:
    return msgspec.json.decode((FILES / f"{locale}.json").read_bytes(), type=Translation)


TRANSLATIONS = {locale: _read(locale) for locale in LOCALES}


def format_day(instant: date, locale: str) -> str:
    """Return the date as it is written in the language: 3 March 2027, 3. März 2027."""
    return format_date(instant, "long", Locale.parse(locale, sep="-"))
