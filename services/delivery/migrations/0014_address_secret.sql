-- What addresses of people who are forgotten are known by: `nameless` makes it of the address and this. Not in the log, so
-- that nobody who has only the log can try addresses.
create table address_secret (
    project uuid primary key,
    secret bytea not null
);
