"""The consumer: sequence numbers, and how messages are grouped into transactions."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging.consumer import Delivery, split_by_size, stream_sequence
from libs.runtime.messaging.group_commit import MAX_TRANSACTION_BYTES
from libs.schemas.base import Message

REPLIES = [
    "$JS.ACK.EVENTS.tally-events.2.1234.17.1763739999123456789.5",
    "$JS.ACK.hub.acc0un7.EVENTS.tally-events.2.1234.17.1763739999123456789.5",
    "$JS.ACK._.acc0un7.EVENTS.tally-events.2.1234.17.1763739999123456789.5.token",
]


@pytest.mark.parametrize("reply", REPLIES)
def test_the_stream_sequence_is_the_one_that_nats_py_parses(reply: str) -> None:
    message = Msg(_client=Client(), reply=reply)
    assert stream_sequence(message) == message.metadata.sequence.stream == 1234


def delivery(size: int) -> Delivery:
    envelope: Envelope[Any] = Envelope(id=uuid4(), project=uuid4(), message=Message(), at=datetime.now(UTC))
    return Delivery(Msg(_client=Client(), data=b"x" * size), envelope, None)


def test_small_messages_share_a_transaction() -> None:
    many = [delivery(100) for _ in range(500)]
    assert list(split_by_size(many)) == [many]
    assert list(split_by_size([])) == []


@given(st.lists(st.integers(0, 2 * MAX_TRANSACTION_BYTES), max_size=20))
def test_large_messages_are_split_over_several_transactions_in_order(sizes: list[int]) -> None:
    deliveries = [delivery(size) for size in sizes]
    found = list(split_by_size(deliveries))
    assert [each for part in found for each in part] == deliveries
    for part in found:
        assert len(part) == 1 or sum(len(each.raw.data) for each in part) <= MAX_TRANSACTION_BYTES
