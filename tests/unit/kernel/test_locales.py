"""Which language somebody is spoken to in."""

import pytest

from libs.kernel.locales import LOCALES, accepted, chosen


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
    assert chosen([wish]) == locale


def test_the_first_wish_that_can_be_met_counts() -> None:
    assert chosen([None, "tlh", "sv", "de"]) == "sv"
    assert [chosen([locale]) for locale in LOCALES] == list(LOCALES)


def test_a_browser_wishes_in_the_order_of_its_header() -> None:
    assert accepted("cy;q=1.0, fr-CH, *;q=0.5") == ["cy", "fr-CH", "*"]
    assert chosen(accepted("*, fr-CH, de")) == "fr"
    assert chosen(accepted("")) == "en"
