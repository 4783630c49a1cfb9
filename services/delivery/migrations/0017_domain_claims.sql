-- Several projects may claim a domain, and only a verified one belongs to its project: `domain` has that index.
drop index if exists domain_owner;

-- What the last check of a project's claim on a domain found. It was in `identity` before, which all projects share.
create table domain_check (
    project uuid not null,
    domain_id uuid not null,
    status text,
    problem text,
    checked_at timestamptz,
    primary key (project, domain_id)
);
