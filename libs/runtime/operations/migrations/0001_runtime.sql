-- What every service's schema holds beside its own tables.

create table events (
    position bigint generated always as identity primary key,
    sequence bigint,                    -- dense, stamped by the relay: the only order that readers may follow
    id uuid not null,
    project uuid not null,
    stream text not null,
    version int not null,
    type text not null,
    schema_version smallint not null,
    data jsonb not null,
    meta jsonb not null,
    recorded_at timestamptz not null,
    published_at timestamptz,
    unique (stream, version)            -- the optimistic lock
);
create index events_unpublished on events (position) where published_at is null;
create unique index events_sequence on events (sequence) where sequence is not null;

create table relay (
    singleton boolean primary key default true check (singleton),
    epoch bigint not null default 0,
    sequence bigint not null default 0,
    holder int,
    seen_at timestamptz
);
insert into relay default values;

create table inbox (
    consumer text not null,
    message_id uuid not null,
    reply bytea,
    received_at timestamptz not null default clock_timestamp(),
    primary key (consumer, message_id)
);
create index inbox_age on inbox (received_at);

create table timers (
    id uuid primary key,
    project uuid not null,
    name text not null,
    key text not null,
    due_at timestamptz not null,
    payload jsonb not null,
    meta jsonb not null,
    attempts int not null default 0,
    unique (name, key)
);
create index timers_due on timers (due_at);
