-- The same two functions in PL/pgSQL: one in SQL that cannot be inlined is set up anew at every call, which is most of
-- what a look at thousands of contacts cost.
create or replace function instant(field jsonb) returns timestamptz
language plpgsql stable parallel safe as $$
declare
    moment text;
begin
    if field is null or jsonb_typeof(field) <> 'string' then
        return null;
    end if;
    moment := field #>> '{}';
    if moment ~ '^\d{4}-\d\d-\d\d$' then
        moment := moment || 'T00:00Z';
    elsif moment !~ '^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)?$' then
        return null;
    elsif moment ~ 'T[^Z+-]*$' then
        moment := moment || 'Z';
    end if;
    if length(moment) > 26 then
        moment := regexp_replace(moment, '(\.\d{6})\d+', '\1');
    end if;
    if not pg_input_is_valid(moment, 'timestamptz') then
        return null;
    end if;
    return moment::timestamptz;
end $$;

create or replace function next_turn(moment timestamptz, span interval) returns timestamptz
language plpgsql stable parallel safe as $$
begin
    if moment > statement_timestamp() then
        return moment;
    elsif moment + span >= statement_timestamp() then
        return moment + span;
    end if;
    return null;
end $$;
