"""Sending domains."""

from datetime import UTC, datetime
from functools import reduce
from uuid import UUID

import pytest

from libs.runtime.rejection import Rejected
from libs.schemas.delivery import AddDomain, DomainAdded, DomainEvent, DomainVerified
from services.delivery.domain import INITIAL, Domain, decide, evolve

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ID, OTHER = UUID(int=1), UUID(int=2)
ADDED = DomainAdded(domain_id=ID, domain="example.com")
VERIFIED = DomainVerified(domain_id=ID, domain="example.com")


def given(*history: DomainEvent) -> Domain:
    return reduce(evolve, history, INITIAL)


def add(domain: str = "example.com", domain_id: UUID = ID, verified: bool = False) -> AddDomain:
    return AddDomain(domain_id=domain_id, domain=domain, verified=verified)


def test_a_domain_is_added_in_lower_case() -> None:
    assert decide(add(" Example.COM "), given(), NOW) == [ADDED]


def test_a_domain_that_the_operator_vouches_for_is_verified_at_once() -> None:
    assert decide(add(verified=True), given(), NOW) == [ADDED, VERIFIED]


def test_adding_it_again_changes_nothing() -> None:
    assert decide(add(), given(ADDED), NOW) == []
    assert decide(add(verified=True, domain_id=OTHER), given(ADDED, VERIFIED), NOW) == []


def test_adding_it_under_another_id_is_refused() -> None:
    with pytest.raises(Rejected) as no:
        decide(add(domain_id=OTHER), given(ADDED), NOW)
    assert no.value.code == "DOMAIN_ALREADY_EXISTS"


def test_it_can_be_vouched_for_later() -> None:
    assert decide(add(verified=True, domain_id=OTHER), given(ADDED), NOW) == [VERIFIED]
    assert given(ADDED, VERIFIED).verified


@pytest.mark.parametrize(
    "name", ["", "a", "localhost", "-a.com", "a..com", "exa mple.com", "a.com/x", "a@b.com", "1.2.3.4"]
)
def test_what_is_no_domain_is_refused(name: str) -> None:
    with pytest.raises(Rejected) as no:
        decide(add(name), given(), NOW)
    assert no.value.errors[0].field == "domain"
