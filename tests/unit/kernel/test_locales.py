"""Which language somebody is spoken to in."""

import pytest

from libs.kernel.locales import LOCALES, negotiate_locale, parse_accept_language


@pytest.mark.parametrize(
    ("wish", "locale"),
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
def test_a_wish_is_met_as_well_as_can_be(wish: object, locale: str) -> None:
    assert negotiate_locale([wish]) == locale


def test_the_first_wish_that_can_be_met_counts() -> None:
    assert negotiate_locale([None, "tlh", "sv", "de"]) == "sv"
    assert [negotiate_locale([locale]) for locale in LOCALES] == list(LOCALES)


def test_a_browser_wishes_in_the_order_of_its_header() -> None:
    assert parse_accept_language("cy;q=1.0, fr-CH, *;q=0.5") == ["cy", "fr-CH", "*"]
    assert negotiate_locale(parse_accept_language("*, fr-CH, de")) == "fr"
    assert negotiate_locale(parse_accept_language("")) == "en"
