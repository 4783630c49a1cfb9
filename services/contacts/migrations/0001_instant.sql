-- A JSON string that spells a moment in ISO 8601, as that moment: UTC where no offset is given, midnight where no time
-- is. Null for anything else, so that a comparison with it is never true and never an error.
create function instant(field jsonb) returns timestamptz
language sql stable parallel safe
return (
    select case when pg_input_is_valid(moment, 'timestamptz') then moment::timestamptz end
    from (
        select case
            when text ~ '^\d{4}-\d\d-\d\d$' then text || 'T00:00Z'
            when text ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?$' then text || 'Z'
            when text ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)$' then text
        end as moment
        from (select case when jsonb_typeof(field) = 'string' then field #>> '{}' end as text) as spelled
    ) as read
);
