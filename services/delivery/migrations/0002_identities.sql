-- The domains that SES checks for us: what it said last, and when it is asked next. SES knows a domain once, whoever has
-- it. What follows from the answers is in the log; this is only the round.
create table identity (
    domain text primary key,
    made_for uuid,                      -- the id of the domain for which SES was told of it
    due_at timestamptz not null default clock_timestamp(),
    status text,
    problem text,
    checked_at timestamptz
);
create index identity_due on identity (due_at);
