"""Opens and clicks by people and by machines."""

from datetime import UTC, datetime, timedelta

import pytest

from services.feedback.notifications.machines import is_machine
from tests.notifications import BROWSER, READER

MAILED_AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LATER = MAILED_AT + timedelta(minutes=5)
QUICKLY = MAILED_AT + timedelta(seconds=1)


@pytest.mark.parametrize("agent", [
    "Mozilla/5.0",
    "Mozilla/5.0 (compatible; Barracuda Sentinel (EE))",
    "python-requests/2.32.0",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0 Safari/537.36",
])  # fmt: skip
def test_a_machine_that_identifies_itself_is_recognized_at_any_time(agent: str) -> None:
    assert is_machine(agent, LATER, MAILED_AT)


def test_a_browser_that_is_too_fast_is_a_machine() -> None:
    assert is_machine(BROWSER, QUICKLY, MAILED_AT)
    assert is_machine(None, QUICKLY, MAILED_AT)


def test_a_browser_that_comes_later_is_a_person() -> None:
    assert not is_machine(BROWSER, LATER, MAILED_AT)
    assert not is_machine(None, LATER, MAILED_AT)


@pytest.mark.parametrize(
    "agent", [READER, "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Thunderbird/128.4.0"]
)
def test_a_mail_reader_is_a_person_at_any_speed(agent: str) -> None:
    assert not is_machine(agent, QUICKLY, MAILED_AT)


def test_an_image_proxy_that_fetches_for_a_reader_is_a_person() -> None:
    gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
    assert not is_machine(gmail, LATER, MAILED_AT)
