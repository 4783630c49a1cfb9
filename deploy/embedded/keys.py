"""The secrets of a data directory: generated once, kept in `secrets.json`, readable by the owner only."""

import json
import os
import secrets
from collections.abc import Mapping

from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout
from libs.schemas.gateway import KeyKind

BOOTSTRAP: dict[str, KeyKind] = {"GODWIT_BOOTSTRAP_SECRET_KEY": "secret", "GODWIT_BOOTSTRAP_PUBLIC_KEY": "public"}
"""The keys of the first project, by environment variable."""

LINK_KEY = "GODWIT_LINK_KEY"


def obtain(layout: Layout, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the keys by environment variable, and those of the first project that are new.

    Given keys win over stored ones, and stored ones over new ones. Raise CannotStart for a weak key.
    """
    for name in BOOTSTRAP.keys() & given.keys():
        _require_strong(name, given[name])
    stored = read(layout)
    kept = {name: stored[name] for name in (*BOOTSTRAP, LINK_KEY) if name in stored}
    known = kept | {name: given[name] for name in (*BOOTSTRAP, LINK_KEY) if name in given}
    new = {name: _generate(kind) for name, kind in BOOTSTRAP.items() if name not in known}
    link = {} if LINK_KEY in known else {LINK_KEY: secrets.token_hex(32)}
    if new or link:
        write(layout, stored | new | link)
    return known | new | link, new


def _generate(kind: KeyKind) -> str:
    """Generate a key as the gateway does. The import is local because keys are generated once and read often."""
    from services.gateway.accounts.keys import generate

    return generate(kind)


def _require_strong(name: str, key: str) -> None:
    from services.gateway.accounts.key_strength import weakness_of
    from services.gateway.accounts.keys import PREFIXES

    if weakness := weakness_of(key, PREFIXES[BOOTSTRAP[name]]):
        raise CannotStart(f"{name} {weakness}: leave it out, and a good one is made for you")


def read(layout: Layout) -> dict[str, str]:
    try:
        return dict(json.loads(layout.secrets.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot read {layout.secrets} ({error}): repair or remove it") from error


def write(layout: Layout, values: Mapping[str, str]) -> None:
    """Write the secrets completely or not at all: an interrupted start must not lose a key."""
    unfinished = layout.secrets.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(values, file, indent=2)
        file.flush()
        os.fsync(descriptor)
    unfinished.replace(layout.secrets)
