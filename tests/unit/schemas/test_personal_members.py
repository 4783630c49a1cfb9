"""The log encrypts the members of an event that its class names as personal."""

import msgspec
import pytest

from deploy.services import declared_services
from libs.schemas.base import Event


def published() -> list[type[Event]]:
    kinds: set[type[Event]] = set()
    pending: list[type[Event]] = [Event]
    declared_services()  # imports all of them
    while pending:
        subclasses = pending.pop().__subclasses__()
        kinds.update(subclasses)
        pending += subclasses
    return sorted(kinds, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", published(), ids=lambda kind: kind.__name__)
def test_personal_members_are_named_as_in_json(kind: type[Event]) -> None:
    if kind.personal_list:
        return  # its items have the members
    assert set(kind.personal) <= {field.encode_name for field in msgspec.structs.fields(kind)}
