"""Creates the list for a campaign: a static segment of its recipients."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from uuid import UUID

from libs.runtime.clock import uuid5, uuid7
from libs.schemas.contacts.segments import AddSegmentMembers, CreateSegment
from services.gateway.http.api_request import ApiRequest

MAX_MEMBERS = 500
"""How many contacts are added to a list with one command."""


async def create_list(request: ApiRequest, emails: AsyncIterator[Sequence[str]], *, create_missing: bool) -> UUID:
    """Create a list of the contacts with these addresses and return its id.

    A repeat of the request uses the same list and adds the addresses that are new.
    """
    segment_id = uuid5(request.context.command_id, "recipients")
    create = CreateSegment(segment_id=segment_id, name=f"Recipients {segment_id}", kind="STATIC")
    await request.execute(create, "recipients")
    async for page in emails:
        for start in range(0, len(page), MAX_MEMBERS):
            await _add(request, segment_id, list(page[start : start + MAX_MEMBERS]), create_missing)
    return segment_id


async def _add(request: ApiRequest, segment_id: UUID, emails: list[str], create_missing: bool) -> None:
    ids = [uuid7() for _ in emails] if create_missing else []
    add = AddSegmentMembers(segment_id=segment_id, emails=emails, contact_ids=ids, create_missing=create_missing)
    await request.execute(add, f"members {sha256(' '.join(emails).encode()).hexdigest()}")
