"""The languages of Godwit's pages and mail footers, and how one is chosen."""

from collections.abc import Iterable

LOCALES = (
    "en", "nl", "fr", "de", "es", "it", "pt", "pl", "cs", "bg", "hi", "zh-CN", "zh-TW", "zh-HK", "ja", "sv", "cy",
)  # fmt: skip
DEFAULT_LOCALE = "en"

_BY_NAME = {locale.lower(): locale for locale in LOCALES}
_SCRIPTS = {"zh": "zh-CN", "zh-hans": "zh-CN", "zh-hant": "zh-TW", "zh-mo": "zh-HK"}


def negotiate_locale(preferred: Iterable[object]) -> str:
    """Return the first preferred locale that is supported, or English.

    A preference is a language tag (RFC 5646) such as `de`, `pt-BR` or `zh_Hant_TW`, in any case. An unsupported region
    falls back to its language. Anything else is skipped: preferences come from contacts' data and from browsers.
    """
    return next((locale for tag in preferred if (locale := _supported(tag))), DEFAULT_LOCALE)


def parse_accept_language(header: str) -> list[str]:
    """Return the tags of an `Accept-Language` header (RFC 9110) in order; browsers put the preferred one first."""
    return [part.partition(";")[0].strip() for part in header[:500].split(",")]


def _supported(preference: object) -> str | None:
    if not isinstance(preference, str):
        return None
    parts = preference.strip().lower().replace("_", "-").split("-")
    tags = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((locale for tag in tags if (locale := _BY_NAME.get(tag) or _SCRIPTS.get(tag))), None)
