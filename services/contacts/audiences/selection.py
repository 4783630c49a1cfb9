"""Turns the audience of a campaign into the condition and the lists that select its contacts, and reads them."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.audience import Audience
from libs.schemas.contacts.contacts import AudienceMember, Condition, Filter, Group
from services.contacts.segments.condition import compile_condition
from services.contacts.segments.matching import fill, predicate_of
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models.segment import SegmentRow
from services.contacts.segments.references import load_referenced

# The contact is on all of the lists; `{lists}` is the argument that holds them.
ON_ALL_LISTS = """(cardinality({lists}::uuid[]) = 0 or (
        select count(*) from segment_list
        where segment_list.project = $1 and segment_list.contact_id = contact.id and segment_id = any({lists}::uuid[])
    ) = cardinality({lists}::uuid[]))"""

MEMBERS = """
select id, email
from contact {joins}
where contact.project = $1 and id > $2 and (subscribed or not $3) and {matching}
    and {on_all_lists}
order by id
limit $4
"""


class Selection(msgspec.Struct, frozen=True):
    """The condition that must hold (None selects everyone), and the static segments that contacts must all be in."""

    condition: Condition | None = None
    lists: Sequence[UUID] = ()


class Unresolvable(Exception):
    """Raised for an audience that refers to a segment that does not exist."""


async def resolve(conn: Connection, project: UUID, audience: Audience) -> Selection:
    """Return what the audience selects now. Raise Unresolvable, or Rejected for an invalid condition."""
    match audience.audience_type:
        case "ALL":
            return Selection()
        case "FILTERED" if condition := audience.audience_condition:
            compile_condition(condition, await load_referenced(conn, project, condition))
            return Selection(condition)
        case "SEGMENT" if wanted := {each for each in (audience.segment_id, audience.list_id) if each}:
            rows = await segments.load(conn, project, wanted)
            if rows.keys() == wanted:
                return _selection_of(list(rows.values()))
    raise Unresolvable(f"{audience.audience_type} audience, {audience.segment_id}, {audience.list_id}")


async def load_members(
    conn: Connection, project: UUID, selection: Selection, *, after: UUID, subscribed_only: bool, limit: int
) -> Sequence[AudienceMember]:
    """Return the next selected contacts in the order of their ids."""
    matching = await predicate_of(conn, project, selection.condition, after=5)
    statement = fill(MEMBERS, matching, on_all_lists=ON_ALL_LISTS.format(lists="$5"))
    rows = await conn.fetch(statement, project, after, subscribed_only, limit, selection.lists, *matching.args)
    return [AudienceMember(contact_id=row["id"], email=row["email"]) for row in rows]


def _selection_of(rows: Sequence[SegmentRow]) -> Selection:
    """Select the contacts that are in all of the segments. One dynamic segment contributes its current condition."""
    dynamic = [row for row in rows if row.condition]
    lists = tuple(row.id for row in rows if row.condition is None)
    if len(dynamic) == 1:
        return Selection(dynamic[0].condition, lists)
    filters = [Filter(field=f"segment.{row.id}", operator="memberOfSegment") for row in dynamic]
    return Selection(Condition(logic="AND", groups=[Group(filters=filters)]) if filters else None, lists)
