-- What was asked with an Idempotency-Key, and the answer once there is one.
create table idempotency (
    project uuid not null,
    key text not null,
    fingerprint bytea not null,         -- of method, path and body: the same key for another request is refused
    request text not null,              -- method and path, for people
    command_id uuid not null,           -- what makes a second run of the same request do nothing twice
    claimed_at timestamptz not null,
    leased_until timestamptz not null,  -- a run that has not ended by then is taken for dead
    expires_at timestamptz not null,
    status int,
    location text,
    body bytea,
    primary key (project, key)
);
create index idempotency_expiry on idempotency (expires_at);

-- Commands that were accepted but not answered in time: `GET /commands/{id}` asks for their answers.
create table unanswered (
    project uuid not null,
    command_id uuid not null,
    subject text not null,
    headers jsonb not null,
    body bytea not null,
    asked_at timestamptz not null default clock_timestamp(),
    primary key (project, command_id)
);
create index unanswered_age on unanswered (asked_at);
