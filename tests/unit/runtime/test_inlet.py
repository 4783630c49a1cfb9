"""What an inlet reads from the subject by which JetStream has a message acknowledged."""

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.runtime.inlet import place_of

REPLIES = [
    "$JS.ACK.EVENTS.tally-events.2.1234.17.1763739999123456789.5",
    "$JS.ACK.hub.acc0un7.EVENTS.tally-events.2.1234.17.1763739999123456789.5",
    "$JS.ACK._.acc0un7.EVENTS.tally-events.2.1234.17.1763739999123456789.5.token",
]


@pytest.mark.parametrize("reply", REPLIES)
def test_a_messages_place_in_its_stream_is_the_one_that_nats_py_reads(reply: str) -> None:
    message = Msg(_client=Client(), reply=reply)
    assert place_of(message) == message.metadata.sequence.stream == 1234
