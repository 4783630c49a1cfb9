"""Which project the keys in the settings belong to, and which keys they replace. Pure."""

from collections.abc import Sequence
from uuid import UUID

from libs.schemas.gateway import KeyIssued, KeyRevoked
from services.gateway.accounts.api_key import ApiKey


def project_of(fingerprints: Sequence[str], known: Sequence[ApiKey]) -> UUID | None:
    """Return the project that keys with these fingerprints belong to, None if there is no first project yet.

    A key that is new belongs to the project of the keys that the settings named before: a changed setting must not
    make a second project. `known` is in the order in which the keys were issued.
    """
    by_fingerprint = {key.fingerprint: key.project for key in known}
    of_given = next((by_fingerprint[each] for each in fingerprints if each in by_fingerprint), None)
    return of_given or next((key.project for key in reversed(known) if key.from_settings), None)


def key_changes(given: Sequence[KeyIssued], known: Sequence[ApiKey], project: UUID) -> Sequence[KeyIssued | KeyRevoked]:
    """Return the events that make the given keys the project's. Each new one revokes those of its kind that the
    settings named before. A key that was revoked stays revoked."""
    fingerprints = {key.fingerprint for key in known}
    new = [key for key in given if key.fingerprint not in fingerprints]
    kept = {key.fingerprint for key in given}
    replaced = [
        key
        for key in known
        if key.project == project and key.from_settings and not key.revoked and key.fingerprint not in kept
    ]
    kinds = {key.kind for key in new}
    return [*new, *(KeyRevoked(key_id=key.id) for key in replaced if key.id and key.kind in kinds)]
