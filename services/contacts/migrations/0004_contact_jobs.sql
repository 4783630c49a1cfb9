-- Files on their way into contacts: kept until their import has ended. Not compressed, because pages are cut out of them.
create table import_chunk (
    project uuid not null,
    import_id uuid not null,
    number int not null,
    data bytea not null,
    stored_at timestamptz not null default clock_timestamp(),
    primary key (project, import_id, number)
);
alter table import_chunk alter column data set storage external;
create index import_chunk_age on import_chunk (stored_at);

-- Rows and contacts that a job could do nothing with. They are no facts: what was wrong in somebody's file is told for a
-- month, and forgotten.
create table job_error (
    project uuid not null,
    job_id uuid not null,
    place int not null,
    contact_id text not null default '',
    email text not null,
    error text not null,
    noted_at timestamptz not null default clock_timestamp(),
    primary key (project, job_id, place)
);
create index job_error_age on job_error (noted_at);
