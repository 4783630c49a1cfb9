"""Queries on suppression rules and on suppressed addresses."""

from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.delivery.emails import FindSuppressed, Suppressed
from libs.schemas.delivery.suppressions import (
    ListSuppressedAddresses,
    ListSuppressionRules,
    PreviewSuppression,
    SuppressedAddressPage,
    SuppressionPreview,
    SuppressionRuleView,
)
from services.delivery.suppression.listing import LISTED, LISTING
from services.delivery.suppression.read_models import suppressed_address, suppression_rule
from services.delivery.suppression.rule import first_match
from services.delivery.suppression.views import address_view, rule_view
from services.delivery.suppression.withholding import Recipient, withheld

MAX_PAGE = 1000

RECIPIENTS = f"""
select wanted.contact_id, wanted.address, coalesce(recipient.subscribed, true) as subscribed,
    {LISTED} as listed
from unnest($2::uuid[], $3::text[]) as wanted (contact_id, address)
left join recipient on recipient.project = $1 and recipient.contact_id = wanted.contact_id
left join suppression on suppression.project = $1 and suppression.contact_id = wanted.contact_id
{LISTING.format(project="$1", address="lower(wanted.address)")}
left join account_suppression on account_suppression.address = lower(wanted.address)
"""  # noqa: S608 - a constant


async def list_rules(conn: Connection, project: UUID, query: ListSuppressionRules) -> list[SuppressionRuleView]:
    rules = await suppression_rule.of_projects(conn, [project])
    return [rule_view(rule, rule.created_at) for rule in rules.get(project, [])]


async def preview(conn: Connection, project: UUID, query: PreviewSuppression) -> SuppressionPreview:
    address = query.address.strip().lower()
    rule = first_match((await suppression_rule.of_projects(conn, [project])).get(project, []), address)
    listed = (await suppressed_address.listed(conn, project, [address])).get(address)
    return SuppressionPreview(
        suppressed=bool(rule or listed),
        match=rule_view(rule, rule.created_at) if rule else None,
        reason=listed["reason"] if listed else None,
    )


async def find_suppressed(conn: Connection, project: UUID, query: FindSuppressed) -> list[Suppressed]:
    """Return those recipients from whom a campaign's mail would be withheld if it was claimed now."""
    rules = (await suppression_rule.of_projects(conn, [project])).get(project, [])
    rows = await conn.fetch(RECIPIENTS, project, list(query.readers), list(query.readers.values()))
    recipients = {row["contact_id"]: Recipient(row["address"], row["subscribed"], row["listed"]) for row in rows}
    reasons = {id_: withheld(query.kind, "CAMPAIGN", recipient, rules) for id_, recipient in recipients.items()}
    return [Suppressed(contact_id=contact_id, reason=why.reason) for contact_id, why in reasons.items() if why]


async def list_addresses(conn: Connection, project: UUID, query: ListSuppressedAddresses) -> SuppressedAddressPage:
    limit = max(1, min(query.limit, MAX_PAGE))
    rows = await suppressed_address.page(conn, project, query.cursor or "", query.reason, limit + 1)
    total = 0 if query.cursor else await suppressed_address.count(conn, project, query.reason)
    more = len(rows) > limit
    return SuppressedAddressPage(
        data=[address_view(row) for row in rows[:limit]],
        cursor=rows[limit - 1]["address"] if more else None,
        has_more=more,
        total=total,
    )


QUERIES: dict[type[Query], QueryHandler] = {
    FindSuppressed: find_suppressed,
    ListSuppressionRules: list_rules,
    PreviewSuppression: preview,
    ListSuppressedAddresses: list_addresses,
}
