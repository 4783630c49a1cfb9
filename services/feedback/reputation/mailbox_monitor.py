"""The mailbox monitor: decides which contacts' mailboxes are failing or have recovered."""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.envelope import Origin
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.feedback.mails import EmailBounced, EmailDelivered
from services.feedback.notifications.notice import Notice
from services.feedback.reputation.mailbox import decide
from services.feedback.reputation.read_models import bounce_streak


async def check_mailboxes(unit: UnitOfWork, notices: Sequence[Notice]) -> None:
    """Decide on the mailboxes that these notices are about. This unit of work must have appended their facts.

    A decision commits together with the facts that led to it, so there is never one without the other.
    """
    recipients = {_key(notice): notice.recipient for notice in notices if _affects_streak(notice)}
    if not recipients:
        return
    await unit.flush()
    for key, (streak, version) in (await bounce_streak.load(unit.conn, recipients)).items():
        project, contact_id = key
        unit.expect(f"mailbox-{contact_id}", version)
        unit.append(decide(streak, contact_id, recipients[key]), Origin(project=project))


def _affects_streak(notice: Notice) -> bool:
    return any(
        isinstance(fact, EmailDelivered) or (isinstance(fact, EmailBounced) and fact.bounce_type == "Transient")
        for fact in notice.facts
    )


def _key(notice: Notice) -> tuple[UUID, UUID]:
    return notice.project, notice.confirmed.contact_id
