"""The files that change databases, by their names: the order in which they run."""

import re
from collections import Counter
from pathlib import Path

import pytest

from deploy.services import NAMES, build_of
from libs.runtime.operations.migrations import RUNTIME
from libs.runtime.process.settings import Settings

TWINS = {("delivery", "0003"), ("delivery", "0011"), ("contacts", "0005")}
"""Numbers that were given out twice. They stay: databases remember files by their names, so that a renamed one would
run again. Neither file of a pair builds on the other, so their order does not matter."""

FOLDERS = {"runtime": RUNTIME} | {name: build_of(name)(Settings(database_url="")).migrations for name in NAMES}


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.sql"))


@pytest.mark.parametrize("owner", FOLDERS)
def test_every_migration_has_a_number_of_its_own(owner: str) -> None:
    numbers = Counter(name[:4] for name in names_in(FOLDERS[owner]))
    assert {(owner, number) for number, files in numbers.items() if files > 1} == {
        twin for twin in TWINS if twin[0] == owner
    }


@pytest.mark.parametrize("owner", FOLDERS)
def test_names_say_number_and_subject(owner: str) -> None:
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in names_in(FOLDERS[owner]))
