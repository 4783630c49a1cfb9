"""Names of migration files, which decide the order in which they run."""

import re
from collections import Counter
from pathlib import Path

import pytest

from deploy.services import SERVICES, build_of
from libs.runtime.operations.migrations import RUNTIME_MIGRATIONS
from libs.runtime.process.settings import Settings

FOLDERS = {"runtime": RUNTIME_MIGRATIONS} | {
    name: build_of(name)(Settings(database_url="")).migrations for name in SERVICES
}


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.sql"))


@pytest.mark.parametrize("owner", FOLDERS)
def test_every_migration_has_a_number_of_its_own(owner: str) -> None:
    numbers = Counter(name[:4] for name in names_in(FOLDERS[owner]))
    assert max(numbers.values(), default=1) == 1, numbers


@pytest.mark.parametrize("owner", FOLDERS)
def test_names_say_number_and_subject(owner: str) -> None:
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in names_in(FOLDERS[owner]))
