"""UTM parameters on links."""

import pytest

from libs.schemas.delivery.content import Utm
from services.delivery.rendering.utm import with_utm

UTM = Utm(source="newsletter", campaign="Frühling & Co")
TAGS = "utm_source=newsletter&amp;utm_medium=email&amp;utm_campaign=Fr%C3%BChling%20%26%20Co"


def link(url: str, quote: str = '"') -> str:
    return f"<p>See <a class='x' href={quote}{url}{quote}>this</a></p>"


@pytest.mark.parametrize(
    ("url", "tagged"),
    [
        ("https://example.com/a", f"https://example.com/a?{TAGS}"),
        ("https://example.com/a?b=1", f"https://example.com/a?b=1&amp;{TAGS}"),
        ("https://example.com/a?", f"https://example.com/a?{TAGS}"),
        ("https://example.com/a#part", f"https://example.com/a?{TAGS}#part"),
        ("https://example.com/{{ slug }}", f"https://example.com/{{{{ slug }}}}?{TAGS}"),
        (
            "https://example.com/?q={{ a | append: '?#' }}",
            f"https://example.com/?q={{{{ a | append: '?#' }}}}&amp;{TAGS}",
        ),
        ("HTTP://example.com", f"HTTP://example.com?{TAGS}"),
    ],
)
def test_parameters_are_added_where_they_belong(url: str, tagged: str) -> None:
    assert with_utm(link(url), UTM) == link(tagged)


def test_quotes_are_preserved() -> None:
    assert with_utm(link("https://example.com", "'"), UTM) == link(f"https://example.com?{TAGS}", "'")


def test_parameters_that_a_link_already_has_stay() -> None:
    said = "https://example.com/?utm_source=mine&amp;utm_campaign=x"
    assert with_utm(link(said), UTM) == link(f"{said}&amp;utm_medium=email")


@pytest.mark.parametrize(
    "url", ["{{ unsubscribeUrl }}", "mailto:a@example.com", "#top", "/relative", "https://e.com/{% if a %}b{% endif %}"]
)
def test_links_to_other_things_than_pages_stay_unchanged(url: str) -> None:
    assert with_utm(link(url), UTM) == link(url)


def test_nothing_else_changes() -> None:
    body = link("https://example.com") + '<img src="https://example.com/a.png"> https://example.com'
    assert with_utm(body, None) == body
    assert with_utm('<img src="https://example.com/a.png"> https://example.com', UTM).count("utm") == 0


def test_liquid_in_a_parameter_is_text() -> None:
    assert "{{" not in with_utm(link("https://example.com"), Utm(source="{{ secret }}"))
