"""The choice of a language."""

import pytest

from libs.kernel.locales import LOCALES, negotiate_locale, parse_accept_language


@pytest.mark.parametrize(
    ("preference", "locale"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("PT_br", "pt"),
        ("zh", "zh-CN"),
        ("zh-Hant-TW", "zh-TW"),
        ("zh-hk", "zh-HK"),
        (" ja ", "ja"),
        ("tlh", "en"),
        ("", "en"),
        (7, "en"),
        (None, "en"),
        (["de"], "en"),
    ],
)
def test_a_preference_falls_back_to_the_nearest_locale(preference: object, locale: str) -> None:
    assert negotiate_locale([preference]) == locale


def test_the_first_supported_preference_wins() -> None:
    assert negotiate_locale([None, "tlh", "sv", "de"]) == "sv"
    assert [negotiate_locale([locale]) for locale in LOCALES] == list(LOCALES)


def test_accept_language_is_parsed_in_order() -> None:
    assert parse_accept_language("cy;q=1.0, fr-CH, *;q=0.5") == ["cy", "fr-CH", "*"]
    assert negotiate_locale(parse_accept_language("*, fr-CH, de")) == "fr"
    assert negotiate_locale(parse_accept_language("")) == "en"
