"""Row-level security: queries run as a role that sees one project only.

Every query of a service runs as the service's query role (`godwit_contacts_query`), with the project in the setting
`godwit.project`. Postgres shows that role the rows of this project, and none without the setting. Of tables without
projects it sees those that the service declares as shared. The service's own role, whose transactions hold the messages
of many projects, sees all rows.
"""

from collections.abc import Collection
from typing import Any

import asyncpg

from libs.runtime.messaging.project_connection import query_role_of

ROLE_EXISTS = "select true from pg_roles where rolname = $1"

# The service's role bypasses policies where the owner may say so. Elsewhere it has a policy of its own.
GRANTS = """
grant {query_role} to {role};
grant usage on schema {schema} to {query_role};
do $$ begin
    alter role {role} bypassrls;
exception when insufficient_privilege then null;
end $$;
"""

# The rows of a table named project are projects themselves.
UNPROTECTED = """
select format('%I.%I', relation.relnamespace::regnamespace, relation.relname) as name, attribute.attname as project
from pg_class as relation
join pg_attribute as attribute on attribute.attrelid = relation.oid
    and attribute.attname = case relation.relname when 'project' then 'id' else 'project' end
where relation.relnamespace = to_regnamespace($1) and relation.relkind in ('r', 'p') and not attribute.attisdropped
    and not relation.relrowsecurity
order by 1
"""
PROTECT = """
drop policy if exists all_projects on {name};
drop policy if exists one_project on {name};
create policy all_projects on {name} to {role} using (true) with check (true);
create policy one_project on {name} for select to {query_role}
    using ({project} = nullif(current_setting('godwit.project', true), '')::uuid);
grant select on {name} to {query_role};
alter table {name} enable row level security;
"""


async def create_query_role(conn: "asyncpg.Connection[Any]", schema: str, role: str) -> None:
    """Create the role that the service's queries run as. Only the service's own role may become it."""
    query_role = query_role_of(schema)
    if not await conn.fetchval(ROLE_EXISTS, query_role):
        await conn.execute(f"create role {query_role} nologin noinherit")
    await conn.execute(GRANTS.format(schema=schema, role=role, query_role=query_role))


async def share_tables(conn: "asyncpg.Connection[Any]", schema: str, tables: Collection[str]) -> None:
    """Let the service's queries read these tables, whose rows belong to no project."""
    for table in tables:
        await conn.execute(f"grant select on {schema}.{table} to {query_role_of(schema)}")


async def unprotected_tables(conn: "asyncpg.Connection[Any]", schema: str) -> list[asyncpg.Record]:
    """Return the tables of the schema that have projects and no policies, each with the column of the project."""
    return list(await conn.fetch(UNPROTECTED, schema))


async def protect_tables(conn: "asyncpg.Connection[Any]", schema: str, service: str, role: str) -> None:
    """Give every table of the schema that has projects its policies, unless it has them."""
    for row in await unprotected_tables(conn, schema):
        await conn.execute(PROTECT.format(**row, role=role, query_role=query_role_of(service)))
