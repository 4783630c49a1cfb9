-- One key for each person of whom this service's log tells: see libs/runtime/vault.py. Kept apart from everything else,
-- so that it can be left out of backups that are kept longer than a person may be remembered.
create table person_key (
    project uuid not null,
    person uuid not null,               -- the contact's id
    key bytea,                          -- null: erased, for good
    primary key (project, person)
);
