-- Permission to call SES, in circulation: as many for each bucket as SES allows calls in a second. One that is out comes
-- back at `ready_at`. Not logged: after a crash of the database all of them are back, more than a second later.
create unlogged table permit (
    region text not null,
    ready_at timestamptz not null,
    n int not null,
    primary key (region, ready_at)
);

alter table bucket drop column tokens, drop column burst;
