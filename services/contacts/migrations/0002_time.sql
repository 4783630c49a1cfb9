-- As before, but hours, minutes and seconds are those of a clock: PostgreSQL alone would take 24:00 and 23:59:60 too,
-- and round what is finer than a microsecond where the rest of us cuts it off.
create or replace function instant(field jsonb) returns timestamptz
language sql stable parallel safe
return (
    select case when pg_input_is_valid(moment, 'timestamptz') then moment::timestamptz end
    from (
        select regexp_replace(case
            when text ~ '^\d{4}-\d\d-\d\d$' then text || 'T00:00Z'
            when text ~ '^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?$' then text || 'Z'
            when text ~ '^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)$'
                then text
        end, '(\.\d{6})\d+', '\1') as moment
        from (select case when jsonb_typeof(field) = 'string' then field #>> '{}' end as text) as spelled
    ) as read
);

-- The next moment, from now on, at which `moment` begins to lie in the past or has done so for longer than `span`:
-- then a condition on time may turn, although nobody touched the contact. Null if it will not any more.
create function next_turn(moment timestamptz, span interval) returns timestamptz
language sql stable parallel safe
return case
    when moment > statement_timestamp() then moment
    when moment + span >= statement_timestamp() then moment + span
end;
