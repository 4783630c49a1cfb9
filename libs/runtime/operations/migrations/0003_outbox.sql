-- What is to be published and what was, by one row for all events that were appended together. A mark in each event meant
-- writing every one of them twice, with all its indexes.

create sequence append;
create table outbox (
    -- Of the first event that is not published. Appends are numbered in the order in which they come, and each has room
    -- for a million events, so that what is appended together is one piece of the log whatever others append meanwhile.
    position bigint primary key default nextval('append') << 20,
    events int not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table published (
    sequence bigint primary key,        -- of the first event; dense: the only order that readers may follow
    position bigint not null,           -- of the first event
    events int not null,
    published_at timestamptz not null default clock_timestamp()
);

insert into outbox (position, events) select position, 1 from events where published_at is null;
insert into published (sequence, position, events, published_at)
select min(sequence), min(position), count(*), max(published_at)
from (
    select sequence, position, published_at, count(*) filter (where begins) over (order by sequence) as run
    from (
        select sequence, position, published_at, position is distinct from lag(position) over (order by sequence) + 1 as begins
        from events where sequence is not null
    ) as event
) as numbered
group by run;
select setval('append', (select coalesce(max(position), 0) >> 20 from events) + 1);

alter table events alter column position drop identity;
alter table events drop column sequence, drop column published_at;

-- Every published event with its sequence.
create view log as
select published.sequence + events.position - published.position as sequence, published_at, events.*
from published
join events on events.position >= published.position and events.position < published.position + published.events;
