-- Where a mail stands in its project's queue: mails to a recipient domain that the project limits wait in a line of their
-- own, by the domain's name, so that nobody has to wait behind them.
alter table email add column line text not null default '';
create index email_line on email (lane, project, line, due_at, id) where state = 'queued';
drop index email_queue;

-- What each limited project, and each of its limited recipient domains, may send now: tokens as they were at `at`.
create table allowance (
    project uuid not null,
    line text not null,                       -- empty for the whole project
    tokens double precision not null,
    at timestamptz not null,
    primary key (project, line)
);
