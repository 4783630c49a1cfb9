-- The bytes of attachments, by what they are: kept while a mail needs them, then dropped. They are no facts, so they are
-- not in the log; and in pieces, because no message on the bus is larger than 1 MiB.
create table file_piece (
    project uuid not null,
    digest text not null,                     -- SHA-256 of the whole file, in hex
    number int not null,
    data bytea not null,
    kept_at timestamptz not null,             -- when it was last handed in or referred to
    primary key (project, digest, number)
);
alter table file_piece alter column data set storage external;   -- most attachments are compressed already

-- Which open mails need which file.
create table email_file (
    email_id uuid not null,
    project uuid not null,
    digest text not null,
    primary key (email_id, digest)
);
create index email_file_digest on email_file (project, digest);
