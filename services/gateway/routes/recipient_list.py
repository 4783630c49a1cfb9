"""Lists that are made for one campaign: static segments of the contacts that it is to go to."""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.clock import uuid5, uuid7
from libs.schemas.segments import AddSegmentMembers, CreateSegment
from services.gateway.call import Call

MOST_MEMBERS = 500
"""That are put on a list at once."""


async def made_list(request: Call, emails: Sequence[str], *, create_missing: bool) -> UUID:
    """The id of a new list of the contacts with these addresses. The same request again makes the same list."""
    segment_id = uuid5(request.exchange.command_id, "recipients")
    create = CreateSegment(segment_id=segment_id, name=f"Recipients {segment_id}", kind="STATIC")
    await request.ask(create, "recipients")
    for start in range(0, len(emails), MOST_MEMBERS):
        some = list(emails[start : start + MOST_MEMBERS])
        ids = [uuid7() for _ in some] if create_missing else []
        add = AddSegmentMembers(segment_id=segment_id, emails=some, contact_ids=ids, create_missing=create_missing)
        await request.ask(add, f"members {start}")
    return segment_id
