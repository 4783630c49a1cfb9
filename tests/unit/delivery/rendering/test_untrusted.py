"""What anybody may have written, in a mail."""

from typing import Any

import pytest
from msgspec.structs import replace

from libs.schemas.delivery.content import MailOptions
from services.delivery.rendering.untrusted import MAX_LENGTH, WORD_JOINER, plain, with_plain
from tests.unit.delivery.rendering.test_message import MAIL, html_of, request_of, transactional


@pytest.mark.parametrize("text", ["Ann", "O'Brien", "Zoë Müller-Lüdenscheidt", "3.50", "J. R. R. Tolkien", "a & b", ""])
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://evil.example/now", "http:~//evil.~example/now"),
        ("visit www.evil.example", "visit www.~evil.~example"),
        ("eve@evil.example", "eve@~evil.~example"),
        ("http://10.0.0.1/x", "http:~//10.0.0.1/x"),
        ("<a href='http://e.com'>x</a>", "‹a href='http:~//e.~com'›x‹/a›"),
        ("Ann\n\nDear customer,\u202e pay", "Ann Dear customer, pay"),
    ],
)
def test_no_text_is_a_link_markup_or_a_paragraph(text: str, shown: str) -> None:
    assert plain(text) == shown.replace("~", WORD_JOINER)


def test_a_long_text_is_cut() -> None:
    assert len(plain("x" * 10_000)) == MAX_LENGTH


def test_texts_inside_other_values_are_plain_and_other_values_stay() -> None:
    assert plain({"a": ["<b>", 1, True, None], "<i>": 2.5}) == {"a": ["‹b›", 1, True, None], "‹i›": 2.5}


def test_only_the_named_keys_become_plain() -> None:
    data: dict[str, Any] = {"site": "https://ann.example", "name": "<b>"}
    assert with_plain(data, ["name"]) == {"site": "https://ann.example", "name": "‹b›"}


def test_untrusted_data_of_a_contact_is_plain_in_subject_and_body() -> None:
    mail = replace(MAIL, contact_data='{"name": "Hi <b>http://evil.example</b>", "plan": "www.pro.example"}')
    marked = replace(mail, untrusted='["name"]')
    for text in (html_of(marked), request_of(marked)["Content"]["Simple"]["Subject"]["Data"]):
        assert "http://" not in text.replace("https://mail.example.com", "") and f"evil.{WORD_JOINER}example" in text
    assert "www.pro.example" in html_of(marked)
    assert "http://evil.example" in html_of(mail)


def test_even_a_template_that_trusts_a_value_gets_no_markup_of_strangers() -> None:
    mail = transactional(body="<p>{{ name | safe }} {{ event.note | safe }}</p>")
    mail = replace(mail, untrusted='["name"]', contact_data='{"name": "<img src=x>"}', data='{"note": "<script>"}')
    untrusted = replace(mail, extras=MailOptions(trusted_data=False))
    assert "<img" not in html_of(untrusted) and "<script" not in html_of(untrusted)
