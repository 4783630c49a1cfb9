"""How many mails a process has claimed at a time."""

from services.delivery.sender.concurrency_limit import wide_open
from services.delivery.ses.outcome import GIVEN_BACK, NotTaken, Sent, Throttled, Unknown


def test_trouble_halves_it_and_success_lets_it_grow_again() -> None:
    limit = wide_open(128).after(Unknown("NoAnswer")).after(NotTaken("EndpointConnectionError"))
    assert limit.size == 32
    for _ in range(200):
        limit = limit.after(Sent("m", "s"))
    assert limit.size == 128


def test_a_dead_ses_is_tried_with_one_mail_ever_less_often() -> None:
    limit = wide_open(128)
    for _ in range(30):
        limit = limit.after(Unknown("NoAnswer"))
    assert (limit.size, limit.pause) == (1, 30.0)


def test_one_success_ends_the_rest() -> None:
    limit = wide_open(2).after(Unknown("x")).after(Unknown("x"))
    assert limit.pause > 0
    assert limit.after(Sent("m", "s")).pause == 0


def test_throttling_and_claims_given_back_are_no_trouble() -> None:
    assert wide_open(128).after(Throttled()).after(GIVEN_BACK).size == 128
