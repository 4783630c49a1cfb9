"""The campaign of each sent mail, to count the unsubscribes that a campaign caused.

`contact.unsubscribed` names the mail but not the campaign, and may arrive before `email.sent`. The first of the two
creates the row.
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
MARK_UNSUBSCRIBED = """
insert into campaign_mail (project, email_id, unsubscribed)
select project, email_id, true from unnest($1::uuid[], $2::uuid[]) as unsubscribed (project, email_id)
order by project, email_id
on conflict (project, email_id) do update set unsubscribed = true
"""
UNSUBSCRIBED = "select count(*) from campaign_mail where project = $1 and campaign_id = $2 and unsubscribed"
UNSUBSCRIBED_BY_VARIANT = """
select coalesce(recipient.variant, '') as key, count(*) as unsubscribes
from campaign_mail as mail join campaign_recipient as recipient using (project, campaign_id, contact_id)
where mail.project = $1 and mail.campaign_id = $2 and mail.unsubscribed
group by recipient.variant
"""

# Unsubscribes after a bounce or a complaint are counted as such.
VOLUNTARY = ("link", "api")


async def project(conn: Connection, events: Sequence[Envelope[EmailSent | ContactUnsubscribed]]) -> None:
    mails: dict[tuple[UUID, UUID], EmailSent] = {}
    unsubscribed_mails: set[tuple[UUID, UUID]] = set()
    for e in events:
        match e.message:
            case EmailSent(campaign_id=UUID()) as sent:
                mails[e.project, sent.email_id] = sent
            case ContactUnsubscribed(email_id=UUID() as email_id, reason=reason) if reason in VOLUNTARY:
                unsubscribed_mails.add((e.project, email_id))
    if mails:
        campaigns, contacts = (
            [each.campaign_id for each in mails.values()],
            [each.contact_id for each in mails.values()],
        )
        await conn.execute(ADD, *_columns(mails), campaigns, contacts)
    if unsubscribed_mails:
        await conn.execute(MARK_UNSUBSCRIBED, *_columns(unsubscribed_mails))


async def unsubscribed(conn: Connection, project: UUID, campaign_id: UUID) -> int:
    """Return how many contacts unsubscribed through a mail of this campaign."""
    total: int = await conn.fetchval(UNSUBSCRIBED, project, campaign_id)
    return total


async def unsubscribed_by_variant(conn: Connection, project: UUID, campaign_id: UUID) -> dict[str, int]:
    """Return the number of unsubscribes by variant of the A/B test. The rest of the audience is under ''."""
    return {row["key"]: row["unsubscribes"] for row in await conn.fetch(UNSUBSCRIBED_BY_VARIANT, project, campaign_id)}


def _columns(keys: "dict[tuple[UUID, UUID], EmailSent] | set[tuple[UUID, UUID]]") -> tuple[list[UUID], list[UUID]]:
    return [project for project, _ in keys], [email_id for _, email_id in keys]
