"""Lists the installed dependencies that contain compiled code. Run as a module, it writes `docs/dependencies.md`."""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import msgspec
from packaging.requirements import Requirement

PAGE = Path(__file__).parents[2] / "docs" / "dependencies.md"
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
LIBRARY = re.compile(r"\.(so|pyd|dylib|dll|exe)(\.[0-9]+)*$")
HEAD = """\
# The binaries among the dependencies

Godwit itself is Python. These dependencies, installed from `requirements.lock` (which pins each by hash), contain
compiled code; all others are Python as well. `make audit-deps` looks them all up in the database of known
vulnerabilities. Written by `python -m deploy.dependencies.wheels` on Linux; other systems have the same packages with
their own binaries.

| package | licence | needed for |
|---|---|---|
"""


class Wheel(msgspec.Struct, frozen=True):
    """A dependency with compiled code. `part` is `services` or the extra of pyproject.toml that needs it."""

    name: str
    licence: str
    part: str


def wheels() -> list[Wheel]:
    """Return the dependencies of the services and of the embedded stack that contain compiled code, by name."""
    project = msgspec.toml.decode(PROJECT.read_bytes())["project"]
    parts = {"services": project["dependencies"], "embedded": project["optional-dependencies"]["embedded"]}
    seen: dict[str, Wheel | None] = {}
    for part, requirements in parts.items():
        for found in _closure(requirements, set(seen)):
            name = found.metadata["Name"].lower()
            seen[name] = Wheel(name, _licence(found), part) if _is_compiled(found) else None
    return sorted((each for each in seen.values() if each), key=lambda each: each.name)


def page() -> str:
    rows = (f"| {each.name} | {each.licence} | {each.part} |\n" for each in wheels())
    return HEAD + "".join(rows)


def _is_compiled(found: Distribution) -> bool:
    pure = "Root-Is-Purelib: true" in (found.read_text("WHEEL") or "")
    return not pure or any(LIBRARY.search(str(file)) for file in found.files or ())


def _closure(requirements: list[str], seen: set[str]) -> Iterator[Distribution]:
    """Yield the distributions that the requirements need on this machine, directly or not."""
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        wanted = waiting.pop()
        name = wanted.name.lower().replace("_", "-")
        if name in seen or not _applies(wanted, {""}):
            continue
        seen.add(name)
        try:
            found = distribution(wanted.name)
        except PackageNotFoundError:
            continue
        yield found
        extras = {"", *wanted.extras}
        needed = (Requirement(each) for each in found.requires or ())
        waiting += [each for each in needed if _applies(each, extras)]


def _applies(wanted: Requirement, extras: set[str]) -> bool:
    return wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras)


def _licence(found: Distribution) -> str:
    named = found.metadata["License-Expression"] or found.metadata["License"] or ""
    classified = [
        each.rpartition(" :: ")[2] for each in found.metadata.get_all("Classifier") or () if "License" in each
    ]
    return named if named and "\n" not in named and len(named) < 60 else ", ".join(classified) or "see the package"


if __name__ == "__main__":
    PAGE.write_text(page())
