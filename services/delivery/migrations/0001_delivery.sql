-- The ledger: every mail that is to be sent, once. Queue, state machine and account book in one table.
create table email (
    id uuid primary key,
    project uuid not null,
    contact_id uuid not null,
    recipient text not null,
    source text not null check (source in ('TRANSACTIONAL', 'CAMPAIGN', 'WORKFLOW')),
    lane smallint not null,                   -- who goes first: 0 transactional, 1 workflow, 2 campaign
    campaign_id uuid,
    workflow_id uuid,
    execution_id uuid,
    step_id uuid,
    content_id uuid,                          -- what is sent: a template or campaign in `content`,
    content jsonb,                            -- or the content itself;
    overrides jsonb,                          -- its fields win over the template's
    data jsonb not null,
    meta jsonb not null,                      -- of the message that asked for it, so that later events correlate
    state text not null default 'queued'
        check (state in ('queued', 'claimed', 'unknown', 'sent', 'failed', 'suppressed', 'cancelled')),
    attempt int not null default 0,
    claim uuid,                               -- which claim holds it: an outcome of any other changes nothing
    claimed_at timestamptz,
    due_at timestamptz not null,              -- queued: not before; claimed: end of the lease; unknown: end of grace
    message_id text,
    message_ids text[] not null default '{}', -- every id under which SES is known to have taken it; a second is a duplicate
    resolved boolean not null default false,
    reason text,
    version int not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    check ((content_id is null) <> (content is null))
);

-- No intent twice, whatever is delivered again.
create unique index email_campaign on email (project, campaign_id, contact_id) where campaign_id is not null;
create unique index email_step on email (project, execution_id, step_id) where execution_id is not null;

create index email_queue on email (lane, project, due_at, id) where state = 'queued';
create index email_open on email (due_at) where state in ('claimed', 'unknown');
create index email_newest on email (project, created_at desc, id desc);

-- How fast this SES account and region may be called, shared by all replicas.
create table bucket (
    region text primary key,
    ceiling double precision not null,
    burst double precision not null,
    rate double precision not null,
    tokens double precision not null,
    left_today double precision not null,
    reserve double precision not null,
    at timestamptz not null,
    throttled_at timestamptz
);

-- The latest happening that any notification told of.
create table heard (
    one boolean primary key default true check (one),
    at timestamptz
);
insert into heard default values;
