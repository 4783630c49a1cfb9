"""The languages that Godwit speaks to mailbox users: on its pages and under its mails."""

from collections.abc import Iterable

LOCALES = (
    "en", "nl", "fr", "de", "es", "it", "pt", "pl", "cs", "bg", "hi", "zh-CN", "zh-TW", "zh-HK", "ja", "sv", "cy",
)  # fmt: skip
DEFAULT_LOCALE = "en"

_BY_NAME = {locale.lower(): locale for locale in LOCALES}
_SCRIPTS = {"zh": "zh-CN", "zh-hans": "zh-CN", "zh-hant": "zh-TW", "zh-mo": "zh-HK"}


def negotiate_locale(wishes: Iterable[object]) -> str:
    """The first wish that can be met, the most important first; else English.

    A wish is a language tag (RFC 5646) such as `de`, `pt-BR` or `zh_Hant_TW`, in any case. A region that is not
    spoken is met by its language. What is no tag is passed over: wishes come from contacts' data and from browsers.
    """
    return next((locale for wish in wishes if (locale := _spoken(wish))), DEFAULT_LOCALE)


def parse_accept_language(header: str) -> list[str]:
    """The tags of an `Accept-Language` header (RFC 9110), in its order; browsers write the most wanted first."""
    return [part.partition(";")[0].strip() for part in header[:500].split(",")]


def _spoken(wish: object) -> str | None:
    if not isinstance(wish, str):
        return None
    parts = wish.strip().lower().replace("_", "-").split("-")
    tags = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((locale for tag in tags if (locale := _BY_NAME.get(tag) or _SCRIPTS.get(tag))), None)
