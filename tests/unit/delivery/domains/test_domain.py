"""Sending domains."""

from datetime import UTC, datetime
from functools import reduce
from uuid import UUID

import pytest
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.delivery.domains import (
    AddDomain,
    DomainAdded,
    DomainEvent,
    DomainIdentified,
    DomainLost,
    DomainRemoved,
    DomainVerified,
    RemoveDomain,
    VerifyDomain,
)
from services.delivery.domains.dns import records
from services.delivery.domains.domain import INITIAL, MAX_UNVERIFIED, Domain, decide, evolve, observe
from services.delivery.ses.identity import Identity

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ID, OTHER = UUID(int=1), UUID(int=2)
ADDED = DomainAdded(domain_id=ID, domain="example.com", vouched=False)
IDENTIFIED = DomainIdentified(domain_id=ID, domain="example.com", tokens=["a", "b", "c"], mail_from="b.example.com")
VERIFIED = DomainVerified(domain_id=ID, domain="example.com", vouched=False)
LOST = DomainLost(domain_id=ID, domain="example.com", status="FAILED")
VOUCHED = [
    DomainAdded(domain_id=ID, domain="example.com", vouched=True),
    DomainVerified(domain_id=ID, domain="example.com", vouched=True),
]
SEEN = Identity(tokens=("a", "b", "c"), mail_from="b.example.com", verified=False, status="PENDING")


def given(*history: DomainEvent) -> Domain:
    return reduce(evolve, history, INITIAL)


def add(domain: str = "example.com", domain_id: UUID = ID, verified: bool = False) -> AddDomain:
    return AddDomain(domain_id=domain_id, domain=domain, verified=verified)


def test_a_domain_is_added_in_lower_case() -> None:
    assert decide(add(" Example.COM "), given(), NOW) == [ADDED]


def test_a_domain_that_the_operator_vouches_for_is_verified_at_once() -> None:
    assert decide(add(verified=True), given(), NOW) == VOUCHED


def test_adding_a_domain_again_changes_nothing() -> None:
    assert decide(add(), given(ADDED), NOW) == []
    assert decide(add(verified=True, domain_id=OTHER), given(*VOUCHED), NOW) == []


def test_adding_a_domain_under_another_id_is_rejected() -> None:
    with pytest.raises(Rejected) as rejected:
        decide(add(domain_id=OTHER), given(ADDED), NOW)
    assert rejected.value.code == "DOMAIN_ALREADY_EXISTS"


def test_a_project_cannot_add_any_number_of_domains_without_verifying_them() -> None:
    assert decide(add(), Domain(unverified=MAX_UNVERIFIED - 1), NOW) == [ADDED]
    with pytest.raises(Rejected) as rejected:
        decide(add(), Domain(unverified=MAX_UNVERIFIED), NOW)
    assert rejected.value.code == "DOMAIN_LIMIT_REACHED"
    assert decide(add(verified=True), Domain(unverified=MAX_UNVERIFIED), NOW) == VOUCHED


def test_the_operator_may_vouch_for_a_domain_later() -> None:
    vouched = DomainVerified(domain_id=ID, domain="example.com", vouched=True)
    assert decide(add(verified=True, domain_id=OTHER), given(ADDED), NOW) == [vouched]
    assert given(ADDED, vouched).vouched


def test_ses_first_returns_the_tokens() -> None:
    assert observe(given(ADDED), SEEN, may_own=True) == [IDENTIFIED]
    assert observe(given(ADDED, IDENTIFIED), SEEN, may_own=True) == []


def test_a_domain_is_verified_and_lost_as_ses_says() -> None:
    verified = replace(SEEN, verified=True, status="SUCCESS")
    failed = replace(SEEN, status="FAILED")
    assert observe(given(ADDED, IDENTIFIED), verified, may_own=True) == [VERIFIED]
    assert observe(given(ADDED, IDENTIFIED, VERIFIED), verified, may_own=True) == []
    assert observe(given(ADDED, IDENTIFIED, VERIFIED), failed, may_own=True) == [LOST]
    assert observe(given(ADDED, IDENTIFIED, VERIFIED, LOST), failed, may_own=True) == []
    assert observe(given(ADDED, IDENTIFIED, VERIFIED, LOST), verified, may_own=True) == [VERIFIED]


def test_only_who_may_own_a_domain_gets_it() -> None:
    verified = replace(SEEN, verified=True, status="SUCCESS")
    assert observe(given(ADDED, IDENTIFIED), verified, may_own=False) == []
    assert observe(given(ADDED, IDENTIFIED, VERIFIED), verified, may_own=False) == []


def test_only_an_existing_domain_can_be_checked_or_removed() -> None:
    assert decide(VerifyDomain(domain_id=ID), given(ADDED), NOW) == []
    assert decide(RemoveDomain(domain_id=ID), given(ADDED), NOW) == [DomainRemoved(domain_id=ID, domain="example.com")]
    for command in (VerifyDomain(domain_id=ID), RemoveDomain(domain_id=ID)):
        with pytest.raises(Rejected) as rejected:
            decide(command, Domain(), NOW)
        assert rejected.value.code == "DOMAIN_NOT_FOUND"


def test_the_records_are_those_of_ses_and_a_dmarc_policy() -> None:
    published = [
        (r.type_, r.name, r.value, r.required) for r in records(given(ADDED, IDENTIFIED), "eu-west-1", "proof")
    ]
    assert published == [
        ("TXT", "_godwit.example.com", "proof", True),
        ("CNAME", "a._domainkey.example.com", "a.dkim.amazonses.com", True),
        ("CNAME", "b._domainkey.example.com", "b.dkim.amazonses.com", True),
        ("CNAME", "c._domainkey.example.com", "c.dkim.amazonses.com", True),
        ("MX", "b.example.com", "feedback-smtp.eu-west-1.amazonses.com", False),
        ("TXT", "b.example.com", "v=spf1 include:amazonses.com ~all", False),
        ("TXT", "_dmarc.example.com", "v=DMARC1; p=none;", False),
    ]


@pytest.mark.parametrize(
    "name", ["", "a", "localhost", "-a.com", "a..com", "exa mple.com", "a.com/x", "a@b.com", "1.2.3.4"]
)
def test_an_invalid_domain_name_is_rejected(name: str) -> None:
    with pytest.raises(Rejected) as rejected:
        decide(add(name), given(), NOW)
    assert rejected.value.errors[0].field == "domain"
