"""Inserting many rows at once."""

from collections.abc import Sequence
from typing import Any, Protocol

COPY_THRESHOLD = 50
"""From so many on they go by COPY, which costs a round trip more, and half as much for each row: the driver looks at
every member of an array, and Postgres writes what is copied page by page."""


class Database(Protocol):
    """A connection."""

    async def execute(self, query: str, *args: Any) -> Any: ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[tuple[Any, ...]], columns: Sequence[str]
    ) -> Any: ...


async def insert_rows(
    conn: Database, statement: str, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert the rows, in order. `statement` does it from one array for each of the columns."""
    if len(rows) >= COPY_THRESHOLD:
        await conn.copy_records_to_table(table, records=rows, columns=columns)
    elif rows:
        await conn.execute(statement, *zip(*rows, strict=True))
