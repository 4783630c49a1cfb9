"""Holding campaigns to their rate and their hours.

Every claim looks at it, so that it holds whatever happened before: a mail that may not go out yet is put back, to the
time when its turn may come. What is queued is placed in time besides, page by page, so that it is not claimed in vain
again and again.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.runtime.eventstore.codec import tag_of
from libs.runtime.eventstore.envelope import (
    Cause,
    Envelope,
    Origin,
    meta_of,
)
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.base import Message
from libs.schemas.campaigns.campaigns import CampaignResumed
from services.delivery.ledger.email import Change, postpone
from services.delivery.ledger.mail import Mail
from services.delivery.scheduling.read_models import campaign_pace
from services.delivery.scheduling.send_schedule import (
    Meter,
    Pace,
    Place,
    admitted,
    opening,
    place,
    zone_for,
)

PAGE_SIZE = 1000
AT_ONCE = timedelta(0)
BEFORE_ALL = UUID(int=0)

NEW_METER = """
insert into campaign_meter (project, campaign_id, next_at, placed_until) values ($1, $2, $3, $3) on conflict do nothing
"""
METER = "select next_at, placed_until from campaign_meter where project = $1 and campaign_id = $2 for update"
SET_METER = "update campaign_meter set next_at = $3, placed_until = $4 where project = $1 and campaign_id = $2"
FORGET_PLACES = "update campaign_meter set placed_until = next_at where project = $1 and campaign_id = $2"
RETURN_TURNS = "update campaign_meter set next_at = next_at - $3::interval where project = $1 and campaign_id = $2"

PLACING = "select true from timers where name = $1 and key = $2"

# What a claim has locked, it looks at itself.
PAGE = """
select email.id, email.contact_id, recipient.data ->> 'timezone' as theirs, project_language.timezone as projects
from email
left join recipient on recipient.project = email.project and recipient.contact_id = email.contact_id
left join project_language on project_language.project = email.project
where email.project = $1 and email.campaign_id = $2 and email.contact_id > $3 and state = 'queued' and due_at <= now()
order by email.contact_id
limit $4
for update of email skip locked
"""
MOVE = """
update email set due_at = moved.due_at, reason = moved.reason
from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as moved (id, due_at, reason)
where email.id = moved.id
"""

Key = tuple[UUID, UUID]

_decode_data = msgspec.json.Decoder(dict[str, Any]).decode


class PlaceCampaign(Message, tag="place-campaign", frozen=True, kw_only=True):
    """Place the campaign's mails that are due and wait, after `cursor` in order of their contacts."""

    campaign_id: UUID
    cursor: UUID = BEFORE_ALL


async def hold_back(unit: UnitOfWork, mails: Sequence[Mail]) -> list[tuple[Mail, Change]]:
    """Of mails that were claimed and could go out, those that must wait for their turn or for the window."""
    campaigns: defaultdict[Key, list[Mail]] = defaultdict(list)
    for mail in mails:
        if mail.campaign_id:
            campaigns[mail.project, mail.campaign_id].append(mail)
    held: list[tuple[Mail, Change]] = []
    for key, pace in await _paces(unit.conn, campaigns.keys()):
        late = await _hold_back(unit, key, pace, campaigns[key])
        if late:
            held += late
            mail = campaigns[key][0]
            await _begin(unit, PlaceCampaign(campaign_id=key[1]), Origin(project=mail.project, meta=meta_of(mail.meta)))
    return held


async def return_turns(conn: Connection, mails: Sequence[Mail]) -> None:
    """These were let through, and did not go out after all: their turns are not used."""
    turns = Counter((mail.project, mail.campaign_id) for mail in mails if mail.campaign_id)
    for key, pace in await _paces(conn, turns.keys()):
        if pace.rate:
            await conn.execute(RETURN_TURNS, *key, turns[key] * pace.interval)


async def begin(unit: UnitOfWork, causes: Mapping[Key, Envelope[Any]], first: Mapping[Key, UUID] | None = None) -> None:
    """Those of the campaigns that have a pace are placed, from the contacts that are named `first`."""
    for key in await campaign_pace.find(unit.conn, causes.keys()):
        start = UUID(int=first[key].int - 1) if first else BEFORE_ALL
        await _begin(unit, PlaceCampaign(campaign_id=key[1], cursor=start), causes[key])


async def forget_places(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """What was placed before a pause is placed anew after it, from then on."""
    for envelope in envelopes:
        if isinstance(envelope.message, CampaignResumed):
            await unit.conn.execute(FORGET_PLACES, envelope.project, envelope.message.campaign_id)


async def place_campaigns(unit: UnitOfWork, envelopes: Sequence[Envelope[PlaceCampaign]]) -> None:
    """One page of each campaign that is due, and the next one at once."""
    for envelope in envelopes:
        await _place_page(unit, envelope)


async def _place_page(unit: UnitOfWork, envelope: Envelope[PlaceCampaign]) -> None:
    job, key = envelope.message, (envelope.project, envelope.message.campaign_id)
    pace = (await campaign_pace.find(unit.conn, [key]))[key]
    rows = await unit.conn.fetch(PAGE, *key, job.cursor, PAGE_SIZE)
    places = await _placed(unit, key, pace, [(row["theirs"], row["projects"]) for row in rows])
    moved = [(row["id"], found) for row, found in zip(rows, places, strict=True) if found.held]
    await unit.conn.execute(
        MOVE, [email_id for email_id, _ in moved], [found.at for _, found in moved], [found.held for _, found in moved]
    )
    if len(rows) == PAGE_SIZE:
        await unit.schedule_in(str(job.campaign_id), AT_ONCE, replace(job, cursor=rows[-1]["contact_id"]), envelope)


async def _hold_back(unit: UnitOfWork, key: Key, pace: Pace, mails: Sequence[Mail]) -> list[tuple[Mail, Change]]:
    meter = await _meter(unit, key, pace)
    zones = {mail.id: (_decode_data(mail.contact_data).get("timezone"), mail.timezone) for mail in mails}
    inside = [mail for mail in mails if _is_open(pace, unit, *zones[mail.id])]
    passed, after = admitted(pace, meter, unit.now, len(inside))
    if pace.rate:
        await _save(unit.conn, key, after)
    through = {mail.id for mail in inside[:passed]}
    late = [mail for mail in mails if mail.id not in through]
    places = await _placed(unit, key, pace, [zones[mail.id] for mail in late])
    return [
        (mail, postpone(mail, (found.at - unit.now).total_seconds(), str(found.held)))
        for mail, found in zip(late, places, strict=True)
    ]


def _is_open(pace: Pace, unit: UnitOfWork, theirs: object, projects: str | None) -> bool:
    window = pace.window
    return window is None or opening(window, zone_for(window, theirs, projects), unit.now) <= unit.now


async def _placed(unit: UnitOfWork, key: Key, pace: Pace, zones: Collection[tuple[object, str | None]]) -> list[Place]:
    """The next places, one for each of these readers, whose own and whose project's zones are given by name."""
    if not zones:
        return []
    meter = await _meter(unit, key, pace)
    places: list[Place] = []
    for theirs, projects in zones:
        found, meter = place(pace, meter, zone_for(pace.window, theirs, projects), unit.now)
        places.append(found)
    if pace.rate:
        await _save(unit.conn, key, meter)
    return places


async def _paces(conn: Connection, campaigns: Collection[Key]) -> list[tuple[Key, Pace]]:
    """Those that have one, in the order in which their meters are locked."""
    return sorted((await campaign_pace.find(conn, campaigns)).items(), key=lambda item: item[0])


async def _meter(unit: UnitOfWork, key: Key, pace: Pace) -> Meter:
    """The campaign's meter, locked until the end of the transaction. Without a rate there is nothing to count."""
    if not pace.rate:
        return Meter(unit.now, unit.now)
    await unit.conn.execute(NEW_METER, *key, unit.now)
    row = await unit.conn.fetchrow(METER, *key)
    assert row
    return Meter(row["next_at"], row["placed_until"])


async def _save(conn: Connection, key: Key, meter: Meter) -> None:
    await conn.execute(SET_METER, *key, meter.next_at, meter.placed_until)


async def _begin(unit: UnitOfWork, job: PlaceCampaign, cause: Cause) -> None:
    """Unless it is being done: it would begin again and again while mails are claimed."""
    if not await unit.conn.fetchval(PLACING, tag_of(PlaceCampaign), str(job.campaign_id)):
        await unit.schedule_in(str(job.campaign_id), AT_ONCE, job, cause)
