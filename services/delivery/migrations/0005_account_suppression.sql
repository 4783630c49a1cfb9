-- The suppression list of the SES account, as SES told it last. It is the account's, not a project's: SES sends to nobody
-- on it, whoever asks. `pass` is the round of reading in which SES named the address.
create table account_suppression (
    address text primary key,
    reason text not null,
    since timestamptz not null,
    pass bigint not null
);

-- Where the reading of that list stands, so that a new process goes on where another stopped.
create table account_reading (
    region text primary key,
    pass bigint not null default 1,
    next_token text,
    due_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);

-- What SES is still to be told; no reason means that the address is to be taken off.
create table account_telling (
    address text primary key,
    reason text,
    due_at timestamptz not null default clock_timestamp(),
    attempts int not null default 0
);
create index account_telling_due on account_telling (due_at);
