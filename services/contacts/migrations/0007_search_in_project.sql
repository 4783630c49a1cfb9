-- The contacts of the session's project whose address contains a text. Row-level security keeps an index on an expression
-- from being used before the rows are known to be of the project, unless the operator is marked leakproof, and that of
-- arrays is not. So this function reads the table with its owner's rights. It shows no other project, because the project
-- is the session's and not an argument.
set local check_function_bodies = off; -- the table is a read model, which is created later
create function contacts_containing(search text) returns table (id uuid, created_at timestamptz)
language sql stable security definer rows 100
set search_path = contacts, pg_temp
as $$
    select contact.id, contact.created_at from contact
    where contact.project = nullif(current_setting('godwit.project', true), '')::uuid
        and trigrams(contact.project, contact.email)
            @> trigrams(nullif(current_setting('godwit.project', true), '')::uuid, search)
        and strpos(contact.email, search) > 0
$$;
set local check_function_bodies = on;
