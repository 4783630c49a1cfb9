-- Who is in which dynamic segment, as last looked at. It follows from contacts and from time, so it is kept up to date
-- rather than folded from events: looking at every contact again (`scan_from`) makes it true whatever it held.
create table segment_member (
    project uuid not null,
    contact_id uuid not null,
    segment_id uuid not null,
    created_at timestamptz not null, -- the contact's, by which members are listed
    primary key (project, contact_id, segment_id)
);
create index segment_member_newest on segment_member (project, segment_id, created_at desc, contact_id desc);

create table segment_state (
    project uuid not null,
    segment_id uuid not null,
    topics text[],                    -- what must happen to a contact for it to be looked at again; null: a static one
    members bigint not null default 0,
    entered bigint not null default 0, -- since they were last asked for
    exited bigint not null default 0,
    scan_from uuid,                   -- contacts after this one are still to be looked at; null: none
    scan_after xid8,                  -- and not before all transactions up to this one have ended
    primary key (project, segment_id)
);

-- Contacts whose membership time alone may change, and when.
create table segment_due (
    project uuid not null,
    contact_id uuid not null,
    due_at timestamptz not null,
    primary key (project, contact_id)
);
create index segment_due_first on segment_due (due_at);
