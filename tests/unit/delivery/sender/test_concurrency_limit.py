"""How many mails a process has claimed at a time."""

from services.delivery.sender.concurrency_limit import LONGEST_REST, opened
from services.delivery.ses.outcome import (
    GIVEN_BACK,
    NotTaken,
    Sent,
    Throttled,
    Unknown,
)


def test_trouble_halves_it_and_success_lets_it_grow_again() -> None:
    window = opened(128).after(Unknown("NoAnswer")).after(NotTaken("EndpointConnectionError"))
    assert window.size == 32
    for _ in range(200):
        window = window.after(Sent("m", "s"))
    assert window.size == 128


def test_a_dead_ses_is_tried_with_one_mail_ever_less_often() -> None:
    window = opened(128)
    for _ in range(30):
        window = window.after(Unknown("NoAnswer"))
    assert (window.size, window.rest) == (1, LONGEST_REST)


def test_one_success_ends_the_rest() -> None:
    window = opened(2).after(Unknown("x")).after(Unknown("x"))
    assert window.rest > 0
    assert window.after(Sent("m", "s")).rest == 0


def test_throttling_and_claims_given_back_are_no_trouble() -> None:
    assert opened(128).after(Throttled()).after(GIVEN_BACK).size == 128
