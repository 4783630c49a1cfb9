"""Bodies of PATCH requests."""

from typing import Annotated

import msgspec
import pytest
from msgspec import UNSET, Meta

from services.gateway.http.json_body import Body
from services.gateway.http.partial_body import partial


class Full(Body, frozen=True, kw_only=True):
    name: Annotated[str, Meta(max_length=3)]
    kind: str = msgspec.field(default="x", name="type")
    note: str | None = None
    force: bool = False


@partial
class Changes(Full, frozen=True, kw_only=True):
    """What is given is changed."""

    force: bool = False


def test_a_field_that_is_not_given_is_unset() -> None:
    found = msgspec.structs.asdict(msgspec.json.decode(b'{"note": null}', type=Changes))
    assert found == {"name": UNSET, "kind": UNSET, "note": None, "force": False}


def test_fields_keep_their_rules_and_their_names_in_json() -> None:
    assert msgspec.json.decode(b'{"type": "y"}', type=Changes).kind == "y"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"name": "long"}', type=Changes)


def test_fields_of_the_class_itself_keep_their_default() -> None:
    assert msgspec.json.decode(b"{}", type=Changes).force is False
