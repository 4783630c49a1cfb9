"""A population to measure on: contacts and what five tracked events each leave behind, written by set-based SQL.

The same number of contacts is always the same population: who has which data and events follows from a hash.
"""

from typing import Any
from uuid import UUID

import asyncpg

EVENTS_EACH = 5

# Ids sort by creation, as those of real contacts do. One in a hundred is unsubscribed.
CONTACTS = """
insert into contact (project, id, email, subscribed, data, version, created_at, updated_at)
select $1::uuid, id, 'user' || n || '@example' || n % 1000 || '.com', n % 100 <> 0,
    jsonb_build_object(
        'plan', case when dice % 100 < 70 then 'free' when dice % 100 < 95 then 'pro' else 'team' end,
        'country', (array['de', 'fr', 'it', 'es', 'pl', 'nl', 'se', 'us', 'gb', 'jp'])[1 + dice / 100 % 10],
        'score', dice / 1000 % 1000,
        'seats', 1 + dice / 7 % 50,
        'firstName', 'Name ' || dice % 5000,
        'trialEndsAt', to_char(now() + (dice % 120 - 60) * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    ),
    1, created_at, created_at
from (
    select n, hashint4(n) & 1073741823 as dice, now() - (2000000 - n) * interval '30 seconds' as created_at,
        (lpad(to_hex(n), 12, '0') || '70008000' || substr(md5($1::uuid::text || n), 1, 12))::uuid as id
    from generate_series($2::int, $3::int) as n
) as person
"""

# Everybody signed up; some logged in, bought, invited or upgraded. The counts of a contact add up to EVENTS_EACH.
EVENTS = """
insert into contact_event (project, contact_id, name, count, first_at, last_at)
select $1, contact.id, happened.name, happened.times, contact.created_at,
    greatest(contact.created_at, now() - (dice % happened.days) * interval '1 day' - interval '1 hour')
from contact
cross join lateral (select hashtext(contact.id::text) & 1073741823 as dice) as thrown
cross join lateral (
    values ('signup', 5 - 2 * (dice % 10 < 6)::int - (dice % 100 < 20)::int, 700, true),
        ('login', 2, 90, dice % 10 < 6),
        (case when dice / 100 % 4 = 0 then 'upgrade' else 'purchase' end, 1, 365, dice % 100 < 20)
) as happened (name, times, days, holds)
where contact.project = $1 and contact.id between $2 and $3 and happened.holds
order by contact.id, happened.name
"""
PLACE = "select id from contact where project = $1 and email = $2"
STEP = 50_000


async def populate(conn: "asyncpg.Connection[Any]", project: UUID, contacts: int) -> None:
    """Fill a project of the contacts service; `conn` has its schema as search_path and may analyze."""
    for first in range(1, contacts + 1, STEP):
        last = min(first + STEP - 1, contacts)
        await conn.execute(CONTACTS, project, first, last)
        bounds = [await conn.fetchval(PLACE, project, f"user{n}@example{n % 1000}.com") for n in (first, last)]
        await conn.execute(EVENTS, project, *bounds)
    await conn.execute("vacuum (analyze) contact")
    await conn.execute("vacuum (analyze) contact_event")
