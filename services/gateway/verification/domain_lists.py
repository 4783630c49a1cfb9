"""Lists of known domains and mailbox names, shipped as data. Each file names its source and date."""

from functools import cache
from pathlib import Path

import msgspec

DATA = Path(__file__).parent / "data"


class DomainLists(msgspec.Struct, frozen=True):
    """`popular` are the domains for which typos are detected."""

    disposable: frozenset[str]
    personal: frozenset[str]
    forwarding: frozenset[str]
    popular: frozenset[str]
    roles: frozenset[str]

    def contains(self, names: frozenset[str], domain: str) -> bool:
        """Whether the list has the domain or one of its parent domains."""
        labels = domain.split(".")
        return any(".".join(labels[start:]) in names for start in range(len(labels) - 1))


@cache
def shipped(own_disposable: str | None = None) -> DomainLists:
    """Return the shipped lists. `own_disposable` is a file that replaces the list of disposable domains."""
    disposable = Path(own_disposable) if own_disposable else DATA / "disposable.txt"
    return DomainLists(
        disposable=_read(disposable),
        personal=_read(DATA / "personal.txt"),
        forwarding=_read(DATA / "forwarding.txt"),
        popular=_read(DATA / "popular.txt"),
        roles=_read(DATA / "roles.txt"),
    )


def _read(file: Path) -> frozenset[str]:
    """Return the names, one per line. `#` starts a comment."""
    lines = (line.partition("#")[0].strip().lower() for line in file.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line)
