"""How many mails a process may claim at a time."""

from services.delivery.sender.concurrency_limit import wide_open
from services.delivery.ses.outcome import GIVEN_BACK, NotTaken, Sent, Throttled, Unknown


def test_errors_halve_the_limit_and_successes_raise_it() -> None:
    limit = wide_open(128).after(Unknown("NoAnswer")).after(NotTaken("EndpointConnectionError"))
    assert limit.size == 32
    for _ in range(200):
        limit = limit.after(Sent("m", "s"))
    assert limit.size == 128


def test_an_outage_is_probed_with_single_mails_at_growing_intervals() -> None:
    limit = wide_open(128)
    for _ in range(30):
        limit = limit.after(Unknown("NoAnswer"))
    assert (limit.size, limit.pause) == (1, 30.0)


def test_one_success_ends_the_pause() -> None:
    limit = wide_open(2).after(Unknown("x")).after(Unknown("x"))
    assert limit.pause > 0
    assert limit.after(Sent("m", "s")).pause == 0


def test_throttling_and_returned_claims_do_not_lower_the_limit() -> None:
    assert wide_open(128).after(Throttled()).after(GIVEN_BACK).size == 128
