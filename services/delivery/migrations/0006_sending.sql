-- Whether mail goes out from this database at all. `epoch` names the deployment that it belongs to; `acknowledged` is the
-- event that the bus had and the database had not when an operator said that sending may go on.
create table sending (
    one boolean primary key default true check (one),
    epoch text,
    paused_at timestamptz,
    reason text,
    acknowledged uuid
);
insert into sending default values;
