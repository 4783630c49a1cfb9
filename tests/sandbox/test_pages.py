"""The mailbox in the browser."""

from html import unescape
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.sandbox.running import Sandbox, unique_address


def test_the_list_shows_email_and_finds_it_by_recipient(sandbox: Sandbox) -> None:
    to = unique_address()
    message_id = sandbox.send(to)
    assert "SES sandbox" in sandbox.page("/")
    found = sandbox.page(f"/?to={to}")
    assert f"/messages/{message_id}" in found
    assert "1 message" in found
    assert "Nothing was sent to nobody@example.com" in sandbox.page("/?to=nobody@example.com")


def test_a_message_is_shown_as_html_text_headers_and_raw(sandbox: Sandbox) -> None:
    html = '<p class="x">Hello "Ann"</p><script>alert(1)</script>'
    message_id = sandbox.send(unique_address(), email_id="shown", html=html)
    page = sandbox.page(f"/messages/{message_id}")
    document = page.split('srcdoc="')[1].split('"')[0]
    assert html in unescape(document), "the mail's HTML is there"
    assert "<script>" not in page, "and only as the content of the frame"
    assert 'sandbox="allow-popups' in page
    assert "allow-scripts" not in page
    assert "godwit_email = shown" in page
    for tab in ("HTML", "Headers", "Raw"):
        assert f'<label for="tab-{tab}">{tab}</label>' in page
    raw = sandbox.page(f"/messages/{message_id}/raw")
    assert f"Message-ID: <{message_id}@email.amazonses.com>" in raw


def test_pages_load_nothing_external_and_run_no_scripts(sandbox: Sandbox) -> None:
    with urlopen(sandbox.url + "/", timeout=5) as answer:
        policy = answer.headers["content-security-policy"]
        assert "http" not in answer.read().decode().replace("http-equiv", "")
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_pages_are_numbered(sandbox: Sandbox) -> None:
    to = unique_address()
    for _ in range(51):
        sandbox.send(to)
    assert "Older" in sandbox.page(f"/?to={to}")
    assert "Newer" in sandbox.page(f"/?to={to}&page=2")


def test_a_missing_message_is_not_found(sandbox: Sandbox) -> None:
    with pytest.raises(HTTPError) as error:
        sandbox.page("/messages/none")
    assert error.value.code == 404
