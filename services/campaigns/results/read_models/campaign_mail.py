"""Which campaign each sent mail belongs to, so that an unsubscribing by its link is the campaign's.

`contact.unsubscribed` names the mail but not the campaign, and may be heard of before `email.sent`: a row begins with
whichever comes first.
"""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import ContactUnsubscribed
from libs.schemas.delivery.emails import EmailSent

NAME = "campaign_mail"
TABLES = ("campaign_mail",)
EVENTS = (EmailSent, ContactUnsubscribed)
DDL = """
create table if not exists campaign_mail (
    project uuid not null,
    email_id uuid not null,
    campaign_id uuid,
    unsubscribed boolean not null,
    primary key (project, email_id)
);
alter table campaign_mail add column if not exists contact_id uuid;
create index if not exists campaign_mail_unsubscribed on campaign_mail (project, campaign_id) where unsubscribed;
"""

ADD = """
insert into campaign_mail (project, email_id, campaign_id, contact_id, unsubscribed)
select project, email_id, campaign_id, contact_id, false
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as sent (project, email_id, campaign_id, contact_id)
order by project, email_id
on conflict (project, email_id) do update set campaign_id = excluded.campaign_id, contact_id = excluded.contact_id
"""
NOTE_UNSUBSCRIBED = """
insert into campaign_mail (project, email_id, unsubscribed)
select project, email_id, true from unnest($1::uuid[], $2::uuid[]) as led (project, email_id)
order by project, email_id
on conflict (project, email_id) do update set unsubscribed = true
"""
UNSUBSCRIBED = "select count(*) from campaign_mail where project = $1 and campaign_id = $2 and unsubscribed"
UNSUBSCRIBED_BY_VARIANT = """
select coalesce(recipient.variant, '') as key, count(*) as left
from campaign_mail as mail join campaign_recipient as recipient using (project, campaign_id, contact_id)
where mail.project = $1 and mail.campaign_id = $2 and mail.unsubscribed
group by recipient.variant
"""

# A bounce or a complaint has a count of its own.
BY_CHOICE = ("link", "api")


async def project(conn: Connection, events: Sequence[Envelope[EmailSent | ContactUnsubscribed]]) -> None:
    mails: dict[tuple[UUID, UUID], EmailSent] = {}
    left: set[tuple[UUID, UUID]] = set()
    for e in events:
        match e.message:
            case EmailSent(campaign_id=UUID()) as sent:
                mails[e.project, sent.email_id] = sent
            case ContactUnsubscribed(email_id=UUID() as email_id, reason=reason) if reason in BY_CHOICE:
                left.add((e.project, email_id))
    if mails:
        campaigns, contacts = (
            [each.campaign_id for each in mails.values()],
            [each.contact_id for each in mails.values()],
        )
        await conn.execute(ADD, *_columns(mails), campaigns, contacts)
    if left:
        await conn.execute(NOTE_UNSUBSCRIBED, *_columns(left))


async def unsubscribed(conn: Connection, project: UUID, campaign_id: UUID) -> int:
    """How many contacts unsubscribed by a mail of this campaign."""
    total: int = await conn.fetchval(UNSUBSCRIBED, project, campaign_id)
    return total


async def unsubscribed_by_variant(conn: Connection, project: UUID, campaign_id: UUID) -> dict[str, int]:
    """How many of them were in the A/B test with each variant; those who were not in it are under ''."""
    return {row["key"]: row["left"] for row in await conn.fetch(UNSUBSCRIBED_BY_VARIANT, project, campaign_id)}


def _columns(keys: "dict[tuple[UUID, UUID], EmailSent] | set[tuple[UUID, UUID]]") -> tuple[list[UUID], list[UUID]]:
    return [project for project, _ in keys], [email_id for _, email_id in keys]
