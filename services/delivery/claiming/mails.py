"""Loads intents with everything that their mails are made of."""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.content import Content
from services.delivery.ledger.ledger import FIELDS, fields_of, options_of
from services.delivery.ledger.mail import Mail
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.suppression.listing import LISTED, LISTING

# This is planned anew for every batch, and with eight tables to join, planning took longer than execution. So content
# and campaign_policy are read by scalar sub-queries.
LOAD = f"""
select {FIELDS}, email.recipient, email.content_id, email.content, email.overrides, email.data,
    (select version from content where content.project = email.project and content.id = email.content_id)
        as content_version,
    project_language.language, project_language.timezone,
    coalesce(project_language.tracking, true) as tracking,
    coalesce(recipient.data, '{{}}') as contact_data, coalesce(recipient.untrusted, '[]') as untrusted,
    coalesce(recipient.subscribed, true) as subscribed,
    {LISTED} as listed
from email
left join recipient on recipient.project = email.project and recipient.contact_id = email.contact_id
left join project_language on project_language.project = email.project
left join suppression on suppression.project = email.project and suppression.contact_id = email.contact_id
{LISTING.format(project="email.project", address="lower(email.recipient)")}
left join account_suppression on account_suppression.address = lower(email.recipient)
where email.id = any($1::uuid[])
"""  # noqa: S608 - a constant

NOT_ARRIVED = Content(subject="", body="", from_email="")


async def load(conn: Connection, ids: Sequence[UUID], cache: ContentCache, begun: float = 0.0) -> list[Mail]:
    """Return the mails with these ids. Content that has not arrived yet is empty."""
    rows = await conn.fetch(LOAD, ids) if ids else []
    contents = await cache.contents_of(conn, rows)
    return [
        Mail(
            **fields_of(row, options),
            recipient=row["recipient"],
            content=contents.get(row["id"], NOT_ARRIVED),
            data=row["data"],
            contact_data=row["contact_data"],
            untrusted=row["untrusted"],
            subscribed=row["subscribed"],
            listed=row["listed"],
            language=row["language"],
            timezone=row["timezone"],
            tracked=options.tracking and (row["tracking"] or row["source"] == "TRANSACTIONAL"),
            begun=begun,
            extras=options,
        )
        for row in rows
        for options in [options_of(row)]
    ]
