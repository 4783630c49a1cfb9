-- What SES wrote, word for word, before anything was made of it. Kept for a limited time: see archive.py.
create table notification (
    happening uuid primary key,         -- digest of what tells one happening from another, so that each is here once
    notification_id uuid not null,      -- SNS's id of the message
    topic_arn text not null,
    kind text not null,                 -- delivery, open, ...
    project uuid,                       -- null, like email_id: not about a mail of ours
    email_id uuid,
    message text not null,
    sent_at timestamptz not null,
    received_at timestamptz not null default clock_timestamp()
);
create index notification_age on notification using brin (received_at);
