"""Text that others wrote, without the people in it."""

from base64 import urlsafe_b64encode
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kernel.links import KeyRing, LinkTarget, sign
from libs.kernel.personal_text import impersonal_link, without_addresses, without_link_tokens

ADDRESS = "ada.l+news@example.com"
TOKEN = sign(KeyRing(("k" * 32,)), LinkTarget(UUID(int=1), UUID(int=2), UUID(int=3)))


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com",
        "https://example.com/",
        "https://example.com/sale?utm_source=news&utm_medium=email&utm_campaign=black-friday-2026#sizes",
        "https://shop.example.com/black-friday-2026-everything-at-half-price?color=red&size=&page=2",
        "https://example.com/internationalization/a?b",
        "http://example.com:8080/a//b;c=d?x=1&x=2&&y",
        "",
    ],
)
def test_a_link_without_personal_values_stays(link: str) -> None:
    assert impersonal_link(link) == link


@pytest.mark.parametrize(
    ("link", "counted"),
    [
        (f"https://example.com/?email={ADDRESS}&a=1", "https://example.com/?email=*&a=1"),
        (f"https://example.com/?q={quote(ADDRESS)}", "https://example.com/?q=*"),
        (f"https://example.com/?q={quote(quote(ADDRESS))}", "https://example.com/?q=*"),
        (f"https://example.com/?q={quote(quote(quote(ADDRESS)))}", "https://example.com/?q=*"),
        (f"https://example.com/?{ADDRESS}", "https://example.com/?*"),
        (f"https://example.com/u/{ADDRESS}/edit", "https://example.com/u/*/edit"),
        (f"https://example.com/#{ADDRESS}", "https://example.com/#*"),
        (f"https://{ADDRESS}/path", "https://example.com/path"),
        ("https://example.com/?q=" + urlsafe_b64encode(b"a@b.co").decode(), "https://example.com/?q=*"),
        ("https://example.com/?first_name=Ada&b=2", "https://example.com/?first_name=*&b=2"),
        ("https://example.com/?tel=x&p=%2B44+20+7946+0958", "https://example.com/?tel=*&p=*"),
        (f"https://example.com/?id={UUID(int=7)}", "https://example.com/?id=*"),
        (f"https://mail.example.com/unsubscribe/{TOKEN}", "https://mail.example.com/unsubscribe/*"),
        (f"mailto:{ADDRESS}?subject=Hi", "mailto:*"),
        ("http://[broken", "*"),
    ],
)
def test_what_is_personal_in_a_link_is_hidden(link: str, counted: str) -> None:
    assert impersonal_link(link) == counted


@given(st.text(max_size=200))
def test_a_counted_link_is_counted_as_itself(text: str) -> None:
    counted = impersonal_link("https://example.com/" + text)
    assert impersonal_link(counted) == counted


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_address_is_left_in_a_link(before: str, after: str) -> None:
    assert ADDRESS not in impersonal_link(f"https://example.com/{before}{ADDRESS}{after}")


def test_no_address_is_left_in_an_error() -> None:
    error = f"The following identities failed the check: {ADDRESS}, <eve@example.com>. Key (email)=(x@y.z) exists."
    assert without_addresses(error) == "The following identities failed the check: *, <*>. Key (email)=(*) exists."


def test_no_token_is_left_in_a_notification() -> None:
    written = f'{{"link":"https://x.example/manage/{TOKEN}","b":"https:\\/\\/x.example\\/unsubscribe\\/{TOKEN}?a"}}'
    assert TOKEN not in without_link_tokens(written)
    assert without_link_tokens(written).count("*") == 2
