"""Merging any data in any order follows the rule in the documentation."""

from functools import reduce
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.kernel.conditions.values import equal_as_json
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import SaveContact
from services.contacts.contacts.contact import (
    INITIAL,
    Contact,
    decide,
    evolve,
)
from services.contacts.contacts.data import merge

RESERVED = ["id", "email", "subscribed", "createdAt", "updatedAt", "subscribeUrl", "unsubscribeUrl", "manageUrl"]

KEYS = st.sampled_from(["plan", "seats", "Plan", "a.b", "", "value", "persistent", *RESERVED, "plunk_id", "plunk_x"])
PLAIN = st.sampled_from(["", "x", 0, 1, 1.5, True, False, [], ["x", None], {}, {"plan": None}, {"value": 1}])
WRAPPED = st.builds(lambda value, kept: {"value": value, "persistent": kept}, PLAIN | st.none(), st.booleans())
INCOMING = st.dictionaries(KEYS, PLAIN | st.none() | WRAPPED | st.just({"value": 1, "persistent": "no"}), max_size=6)


EMPTY: Data = {}


def merge_by_the_rule(stored: Data, incoming: Data) -> Data:
    """Merge by the rule, one sentence of it per line."""
    result = dict(stored)
    for key, value in incoming.items():
        if key in RESERVED or key.startswith("plunk_"):
            continue  # reserved keys are dropped
        if isinstance(value, dict) and "value" in value and value.get("persistent") is False:
            continue  # used for rendering and the event, not stored
        if isinstance(value, dict) and "value" in value and value.get("persistent") is True:
            value = value["value"]  # stores the value
        if value is None:
            result.pop(key, None)  # null deletes
        elif value != "":
            result[key] = value  # "" is ignored; anything else replaces, key by key and not deeper
    return result


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(INCOMING, max_size=8))
def test_any_sequence_of_merges_follows_the_rule(sequence: list[Data]) -> None:
    assert equal_as_json(reduce(merge, sequence, EMPTY), reduce(merge_by_the_rule, sequence, EMPTY))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(INCOMING, min_size=1, max_size=6))
def test_any_sequence_of_saves_follows_the_rule(sequence: list[Data]) -> None:
    contact: Contact = INITIAL
    for incoming in sequence:
        events: list[Any] = decide(SaveContact(contact_id=UUID(int=1), email="ann@example.com", data=incoming), contact)
        after = reduce(evolve, events, contact)
        assert bool(events) == (contact.id is None or not equal_as_json(after.data, contact.data))
        contact = after
    assert equal_as_json(contact.data, reduce(merge_by_the_rule, sequence, EMPTY))
