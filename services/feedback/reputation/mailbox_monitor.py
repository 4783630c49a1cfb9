"""Watches the mailboxes that mail bounces from for now, and says when one takes no mail at all.

What it says is an event in the transaction of the facts that led to it, so neither is ever without the other.
"""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.envelope import Origin
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.feedback.mails import EmailBounced, EmailDelivered
from services.feedback.notifications.notice import Notice
from services.feedback.reputation.mailbox import decide
from services.feedback.reputation.read_models import bounce_streak


async def watch(unit: UnitOfWork, notices: Sequence[Notice]) -> None:
    """Say what follows from these notices, whose facts this unit has appended."""
    told = {_key(notice): notice.recipient for notice in notices if _matters(notice)}
    if not told:
        return
    await unit.flush()
    for key, (streak, version) in (await bounce_streak.load(unit.conn, told)).items():
        project, contact_id = key
        unit.expect(f"mailbox-{contact_id}", version)
        unit.append(decide(streak, contact_id, told[key]), Origin(project=project))


def _matters(notice: Notice) -> bool:
    return any(
        isinstance(fact, EmailDelivered) or (isinstance(fact, EmailBounced) and fact.bounce_type == "Transient")
        for fact in notice.facts
    )


def _key(notice: Notice) -> tuple[UUID, UUID]:
    return notice.project, notice.confirmed.contact_id
