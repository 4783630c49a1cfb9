"""SNS notifications: posted and answered (stored in the stream), then folded into facts by feedback."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from uuid import uuid4

import asyncpg
import msgspec
import nats
from rich.console import Group
from rich.table import Table

from deploy.demo.target import Target
from deploy.sandbox.sns import Signer, Topic, load_signer
from libs.runtime.testing import eventually
from tests.benchmarks.cpu import spent
from tests.benchmarks.load import post
from tests.notifications import some_mail, text

TOPIC_ARN = "arn:aws:sns:us-east-1:000000000000:godwit-sandbox"
COUNT = 6000
CONNECTIONS = 32
LIMIT = 120.0
FOLDED = "select count(*) from feedback.notification where received_at >= $1"


async def bench(target: Target, bare: str) -> Group:
    bodies = await asyncio.to_thread(_signed, target)
    headers = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
    plain = await post(f"{bare}/notification", headers, iter(bodies), CONNECTIONS)
    before = spent(target)
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    since = await conn.fetchval("select clock_timestamp()")
    started = time.perf_counter()
    taken = await post(f"{target.endpoints.url}/webhooks/sns", headers, iter(bodies), CONNECTIONS)

    async def all_folded() -> bool:
        folded: int = await conn.fetchval(FOLDED, since)
        return folded >= COUNT

    await eventually(all_folded, LIMIT, every=0.2)
    folded = COUNT / (time.perf_counter() - started)
    await conn.close()
    await _all_consumed(target)
    table = Table(title="SNS notifications", title_justify="left")
    for column in ("count", "answered/s", "folded/s", "errors", "bare/s", "share of bare (answered)"):
        table.add_column(column, justify="right")
    share = f"{taken.rate / plain.rate:.2f}"
    table.add_row(f"{COUNT:,}", f"{taken.rate:,.0f}", f"{folded:,.0f}", str(taken.errors), f"{plain.rate:,.0f}", share)
    return Group(table, _cpu(before, spent(target)))


async def _all_consumed(target: Target) -> None:
    """Until every service has dealt with the facts that followed."""
    client = await nats.connect(target.endpoints.nats_url)
    js = client.jetstream()

    async def nothing_left() -> bool:
        consumers = await js.consumers_info("EVENTS")
        return not any((consumer.num_pending or 0) + (consumer.num_ack_pending or 0) for consumer in consumers)

    await eventually(nothing_left, LIMIT, every=0.2)
    await client.close()


def _cpu(before: Mapping[str, float], after: Mapping[str, float]) -> Table:
    seconds = {name: used - before.get(name, 0.0) for name, used in after.items()}
    table = Table(title="CPU seconds for each 1,000 notifications, with all that follows from them")
    table.title_justify = "left"
    table.add_column("process")
    table.add_column("seconds", justify="right")
    for name, used in sorted(seconds.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{used * 1000 / COUNT:.3f}")
    table.add_row("all", f"{sum(seconds.values()) * 1000 / COUNT:.3f}")
    return table


def _signed(target: Target) -> list[bytes]:
    """Notifications about a third as many mails, signed as the sandbox signs its own."""
    signer = load_signer(target.layout.sandbox)
    topic = Topic(
        "arn:aws:sns:us-east-1:000000000000:godwit-sandbox", target.endpoints.sandbox_url, signer.certificate_name
    )
    return list(_envelopes(signer, topic))


def _envelopes(signer: Signer, topic: Topic) -> Iterator[bytes]:
    for _ in range(COUNT // 3):
        mail = some_mail()
        for kind in ("Send", "Delivery", "Open"):
            message = text(mail.published(kind))
            envelope = topic.notification(str(uuid4()), "Amazon SES", message, time.time(), "arn")
            yield msgspec.json.encode(signer.sign(envelope))
