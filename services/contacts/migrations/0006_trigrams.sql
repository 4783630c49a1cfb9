-- Every three neighbouring bytes of an address as a number, for an index that finds addresses by what they contain. The
-- project is mixed in, so that one project's search does not meet another's addresses; what it lets through by mistake
-- is looked at again. In PL/pgSQL, because it is four times as fast there as in SQL, and the extension pg_trgm is not
-- everywhere.
create function trigrams(project uuid, address text) returns int[]
language plpgsql immutable strict parallel safe
as $$
declare
    bytes constant bytea := convert_to(address, 'UTF8');
    mixed constant int := uuid_hash(project);
    found int[] := '{}';
begin
    for n in 1 .. length(bytes) - 2 loop
        found[n] := mixed # (get_byte(bytes, n - 1) << 16 | get_byte(bytes, n) << 8 | get_byte(bytes, n + 1));
    end loop;
    return found;
end
$$;
