"""Bulk inserts."""

from collections.abc import Sequence
from typing import Any, Protocol

COPY_THRESHOLD = 50
"""Rows from which COPY is used. It costs one round trip more and half as much per row: the driver encodes every item of
an array, and Postgres writes copied rows page by page."""


class Database(Protocol):
    """A connection."""

    async def execute(self, query: str, *args: Any) -> Any: ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[tuple[Any, ...]], columns: Sequence[str]
    ) -> Any: ...


async def insert_rows(
    conn: Database, statement: str, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert the rows in order. `statement` inserts them from one array per column."""
    if len(rows) >= COPY_THRESHOLD:
        await conn.copy_records_to_table(table, records=rows, columns=columns)
    elif rows:
        await conn.execute(statement, *zip(*rows, strict=True))
