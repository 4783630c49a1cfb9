"""Holds campaigns to their send schedules.

Every claim checks the schedule, so it holds whatever happened before: a mail that may not be sent yet is requeued with
the time at which its turn may come. Queued mails are also given due times page by page, so that they are not claimed in
vain over and over.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import tag_of
from libs.runtime.eventstore.envelope import Cause, Envelope, Origin, meta_of
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.campaigns.campaigns import CampaignResumed
from services.delivery.ledger.email import Change, Email, postpone
from services.delivery.ledger.mail import Mail
from services.delivery.scheduling.queue_walk import BEFORE_FIRST, CampaignWalk, QueueWalk, Rows, campaign_page, start
from services.delivery.scheduling.read_models import campaign_pace
from services.delivery.scheduling.send_schedule import (
    DueTime,
    RateMeter,
    SendSchedule,
    admit,
    next_due,
    opening,
    zone_for,
)

NEW_METER = """
insert into campaign_meter (project, campaign_id, next_at, placed_until) values ($1, $2, $3, $3) on conflict do nothing
"""
METER = "select next_at, placed_until from campaign_meter where project = $1 and campaign_id = $2 for update"
SET_METER = "update campaign_meter set next_at = $3, placed_until = $4 where project = $1 and campaign_id = $2"
RESTART_PLACING = "update campaign_meter set placed_until = next_at where project = $1 and campaign_id = $2"
RETURN_TURNS = "update campaign_meter set next_at = next_at - $3::interval where project = $1 and campaign_id = $2"

IS_PLACING = "select true from timers where name = $1 and key = $2"

# Skips mails that a claim has locked, because the claim checks the schedule itself.
PAGE = """
select email.id, email.contact_id, recipient.data ->> 'timezone' as recipient_zone,
    project_language.timezone as project_zone
from email
left join recipient on recipient.project = email.project and recipient.contact_id = email.contact_id
left join project_language on project_language.project = email.project
where email.project = $1 and email.campaign_id = $2 and email.contact_id > $3 and state = 'queued' and due_at <= now()
order by email.contact_id
limit $4
for update of email skip locked
"""
SET_DUE = """
update email set due_at = new.due_at, reason = new.reason
from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as new (id, due_at, reason)
where email.id = new.id
"""

Key = tuple[UUID, UUID]
"""A project and its campaign."""
Zones = tuple[object, str | None]
"""The names of a recipient's time zone and of their project's."""

_decode_data = msgspec.json.Decoder(dict[str, Any]).decode


class PlaceCampaign(CampaignWalk, tag="place-campaign", frozen=True, kw_only=True):
    """Set due times for those queued mails of the campaign that are due but have to wait."""


async def hold_back(unit: UnitOfWork, mails: Sequence[Mail]) -> list[tuple[Email, Change]]:
    """Return changes that requeue those of the claimed mails that have to wait for the rate or the window."""
    campaigns: defaultdict[Key, list[Mail]] = defaultdict(list)
    for mail in mails:
        if mail.campaign_id:
            campaigns[mail.project, mail.campaign_id].append(mail)
    held: list[tuple[Email, Change]] = []
    for key, schedule in await _schedules(unit.conn, campaigns.keys()):
        late = await _hold_back(unit, key, schedule, campaigns[key])
        if late:
            held += late
            mail = campaigns[key][0]
            origin = Origin(project=mail.project, meta=meta_of(mail.meta))
            await _start(unit, PlaceCampaign(campaign_id=key[1]), origin)
    return held


async def return_turns(conn: Connection, mails: Sequence[Email]) -> None:
    """Return the turns of mails that the rate admitted but that were not sent after all."""
    turns = Counter((mail.project, mail.campaign_id) for mail in mails if mail.campaign_id)
    for key, schedule in await _schedules(conn, turns.keys()):
        if schedule.rate:
            await conn.execute(RETURN_TURNS, *key, turns[key] * schedule.interval)


async def begin(unit: UnitOfWork, causes: Mapping[Key, Envelope[Any]], first: Mapping[Key, UUID] | None = None) -> None:
    """Start placing the mails of those campaigns that have a schedule, from the contact in `first` if it is given."""
    for key in await campaign_pace.find(unit.conn, causes.keys()):
        cursor = UUID(int=first[key].int - 1) if first else BEFORE_FIRST
        await _start(unit, PlaceCampaign(campaign_id=key[1], cursor=cursor), causes[key])


async def restart_placing(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Forget the due times given before a pause, so that after it mails get new ones from then on."""
    for envelope in envelopes:
        if isinstance(envelope.message, CampaignResumed):
            await unit.conn.execute(RESTART_PLACING, envelope.project, envelope.message.campaign_id)


async def _place_page(unit: UnitOfWork, envelope: Envelope[PlaceCampaign], limit: int) -> Rows:
    key = envelope.project, envelope.message.campaign_id
    schedule = (await campaign_pace.find(unit.conn, [key]))[key]
    rows = await campaign_page(unit, PAGE, envelope, limit)
    due_times = await _due_times(unit, key, schedule, [(row["recipient_zone"], row["project_zone"]) for row in rows])
    held = [(row["id"], due) for row, due in zip(rows, due_times, strict=True) if due.held_by]
    await unit.conn.execute(
        SET_DUE, [email_id for email_id, _ in held], [due.at for _, due in held], [due.held_by for _, due in held]
    )
    return rows


place_campaigns = QueueWalk(_place_page)


async def _hold_back(
    unit: UnitOfWork, key: Key, schedule: SendSchedule, mails: Sequence[Mail]
) -> list[tuple[Email, Change]]:
    meter = await _meter(unit, key, schedule)
    zones: dict[UUID, Zones] = {
        mail.id: (_decode_data(mail.contact_data).get("timezone"), mail.timezone) for mail in mails
    }
    in_window = [mail for mail in mails if _is_open(schedule, unit, zones[mail.id])]
    admitted, after = admit(schedule, meter, unit.now, len(in_window))
    if schedule.rate:
        await _save(unit.conn, key, after)
    sent_now = {mail.id for mail in in_window[:admitted]}
    late = [mail for mail in mails if mail.id not in sent_now]
    due_times = await _due_times(unit, key, schedule, [zones[mail.id] for mail in late])
    return [
        (mail, postpone(mail, (due.at - unit.now).total_seconds(), str(due.held_by)))
        for mail, due in zip(late, due_times, strict=True)
    ]


def _is_open(schedule: SendSchedule, unit: UnitOfWork, zones: Zones) -> bool:
    window = schedule.window
    return window is None or opening(window, zone_for(window, *zones), unit.now) <= unit.now


async def _due_times(
    unit: UnitOfWork, key: Key, schedule: SendSchedule, recipients: Collection[Zones]
) -> list[DueTime]:
    """Return the next due times, one for each of the recipients, and advance the meter."""
    if not recipients:
        return []
    meter = await _meter(unit, key, schedule)
    due_times: list[DueTime] = []
    for zones in recipients:
        due, meter = next_due(schedule, meter, zone_for(schedule.window, *zones), unit.now)
        due_times.append(due)
    if schedule.rate:
        await _save(unit.conn, key, meter)
    return due_times


async def _schedules(conn: Connection, campaigns: Collection[Key]) -> list[tuple[Key, SendSchedule]]:
    """Return the schedules of those campaigns that have one, in the order in which their meters are locked."""
    return sorted((await campaign_pace.find(conn, campaigns)).items(), key=lambda item: item[0])


async def _meter(unit: UnitOfWork, key: Key, schedule: SendSchedule) -> RateMeter:
    """Return the campaign's meter, locked until the transaction ends. A campaign without a rate has no row for it."""
    if not schedule.rate:
        return RateMeter(unit.now, unit.now)
    await unit.conn.execute(NEW_METER, *key, unit.now)
    row = await unit.conn.fetchrow(METER, *key)
    assert row
    return RateMeter(row["next_at"], row["placed_until"])


async def _save(conn: Connection, key: Key, meter: RateMeter) -> None:
    await conn.execute(SET_METER, *key, meter.next_at, meter.placed_until)


async def _start(unit: UnitOfWork, walk: PlaceCampaign, cause: Cause) -> None:
    """Start the walk unless one is under way, which claims would otherwise restart over and over."""
    if not await unit.conn.fetchval(IS_PLACING, tag_of(PlaceCampaign), walk.timer_key):
        await start(unit, walk, cause)
