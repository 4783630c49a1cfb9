-- What was at hand when a process died, while a process tries it alone. Empty when nothing of that kind is going on.

create table suspect (
    kind text not null,                 -- a consumer, the timers or the jobs
    id uuid not null,
    run uuid not null,                  -- the process that tries it, or did when it died
    deaths int not null default 0,      -- of processes that tried it alone
    noted_at timestamptz not null default clock_timestamp(),
    primary key (kind, id)
);
