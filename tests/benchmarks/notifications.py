"""SNS notifications, shuffled and partly repeated: accepted (stored in the stream), then folded into facts.

The final state of each mail is compared with the one that follows from its notifications once each, in order.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from uuid import UUID, uuid4

import asyncpg
import msgspec
from rich.console import Group
from rich.table import Table

from deploy.demo.target import Target
from deploy.sandbox.sns.envelopes import Signer, Topic, load_signer
from libs.runtime.process.testing import eventually
from services.feedback.mails.email_feedback import (
    INITIAL,
    EmailFeedbackState,
    decide,
    evolve,
)
from services.feedback.notifications.notice import notice_of
from services.feedback.notifications.ses import parse_notification
from tests.benchmarks import cpu
from tests.benchmarks.load import post
from tests.benchmarks.settled import until_consumed
from tests.notifications import some_mail, text

TOPIC_ARN = "arn:aws:sns:us-east-1:000000000000:godwit-sandbox"
KINDS = ("Send", "Delivery", "Open")
COUNT = 6000
REPEATED = 0.2
"""The share of notifications that repeat another."""
CONNECTIONS = 64
LIMIT = 120.0
SEED = 4
HEADERS = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
FOLDED = "select count(*) from feedback.notification where received_at >= $1"
STATE = "select * from feedback.email_feedback where email_id = any($1::uuid[])"


async def bench(target: Target, bare: str) -> Group:
    project = uuid4()
    mails = [some_mail(project) for _ in range(_mails())]
    stories = [[text(mail.published(kind)) for kind in KINDS] for mail in mails]
    bodies = await asyncio.to_thread(_signed, target, stories)
    plain = await post(f"{bare}/notification", HEADERS, iter(bodies), CONNECTIONS)
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    before = cpu.spent(target)
    since = await conn.fetchval("select clock_timestamp()")
    started = time.perf_counter()
    taken = await post(f"{target.endpoints.url}/webhooks/sns", HEADERS, iter(bodies), CONNECTIONS)

    async def all_folded() -> bool:
        folded: int = await conn.fetchval(FOLDED, since)
        return folded >= _mails() * len(KINDS)

    await eventually(all_folded, LIMIT, every=0.05)
    folded = len(bodies) / (time.perf_counter() - started)
    await until_consumed(target)
    expected = [_known(story) for story in stories]
    alike = await _state(conn, [each for each, _ in expected]) == dict(expected)
    await conn.close()
    table = Table(title=f"SNS notifications, shuffled, {REPEATED:.0%} of them told twice", title_justify="left")
    for column in (
        "count",
        "answered/s",
        "folded/s",
        "errors",
        "bare/s",
        "answered of bare",
        "folded of bare",
        "state",
    ):
        table.add_column(column, justify="right")
    shares = f"{taken.rate / plain.rate:.2f}", f"{folded / plain.rate:.2f}"
    figures = f"{len(bodies):,}", f"{taken.rate:,.0f}", f"{folded:,.0f}", str(taken.errors), f"{plain.rate:,.0f}"
    table.add_row(*figures, *shares, "as in order" if alike else "DIFFERENT")
    return Group(table, cpu.table_of("notification", len(bodies), before, cpu.spent(target)))


def _mails() -> int:
    """Return how many mails the distinct notifications are about."""
    return int(COUNT * (1 - REPEATED)) // len(KINDS)


def _known(story: Sequence[str]) -> tuple[UUID, EmailFeedbackState]:
    """Return the mail and the state that follows from its notifications once each, in order."""
    notices = [notice for notice in (notice_of(parse_notification(message)) for message in story) if notice]
    known = reduce(lambda known, notice: reduce(evolve, decide(notice, known), known), notices, INITIAL)
    return notices[0].email_id, known


async def _state(
    conn: "asyncpg.Connection[asyncpg.Record]", emails: Sequence[UUID]
) -> Mapping[UUID, EmailFeedbackState]:
    rows = await conn.fetch(STATE, emails)
    return {row["email_id"]: _of_row(row) for row in rows}


def _of_row(row: asyncpg.Record) -> EmailFeedbackState:
    fields = {name: row[name] for name in EmailFeedbackState.__struct_fields__}
    return EmailFeedbackState(**fields | {"message_ids": frozenset(row["message_ids"])})


def _signed(target: Target, stories: Sequence[Sequence[str]]) -> list[bytes]:
    """Return all notifications, signed as the sandbox signs its own, shuffled. Half of the repeats are SNS retries with
    the same id; the other half are separate messages.
    """
    signer = load_signer(target.layout.sandbox)
    topic = Topic(TOPIC_ARN, target.endpoints.sandbox_url, signer.certificate_name)
    dice = random.Random(SEED)
    told = list(_envelopes(signer, topic, [message for story in stories for message in story]))
    repeats = dice.sample(range(len(told)), COUNT - len(told))
    messages = [message for story in stories for message in story]
    again = [told[n] for n in repeats[::2]] + list(_envelopes(signer, topic, [messages[n] for n in repeats[1::2]]))
    return dice.sample(all_told := told + again, len(all_told))


def _envelopes(signer: Signer, topic: Topic, messages: Sequence[str]) -> Iterator[bytes]:
    for message in messages:
        envelope = topic.notification(str(uuid4()), "Amazon SES", message, time.time(), "arn")
        yield msgspec.json.encode(signer.sign(envelope))
