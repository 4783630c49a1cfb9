"""Which of the projects that claim a domain gets it, and what the others are told."""

from uuid import UUID

from msgspec.structs import replace

from libs.schemas.delivery.domains import DomainVerified
from services.delivery.domains.challenge import value_of
from services.delivery.domains.domain import Domain
from services.delivery.domains.ownership import TAKEN, examine
from services.delivery.ses.identity import Identity

MINE, THEIRS = UUID(int=1), UUID(int=2)
CLAIM = Domain(id=UUID(int=3), domain="example.com")
PENDING = Identity(tokens=(), mail_from=None, verified=False, status="PENDING")
ACCEPTED = replace(PENDING, verified=True, status="SUCCESS")
PROOF = value_of(MINE, UUID(int=3))
VERIFIED = DomainVerified(domain_id=UUID(int=3), domain="example.com", vouched=False)


def test_a_proof_suits_one_claim_of_one_project() -> None:
    values = {PROOF, value_of(THEIRS, UUID(int=3)), value_of(MINE, UUID(int=4))}
    assert len(values) == 3 and all(len(value) < 256 for value in values)


def test_the_first_with_a_proof_gets_a_domain_that_ses_accepts() -> None:
    assert examine(MINE, CLAIM, ACCEPTED, {"other", PROOF}, taken=False).events == [VERIFIED]
    assert examine(MINE, CLAIM, PENDING, {PROOF}, taken=False).events == []
    assert examine(MINE, CLAIM, ACCEPTED, {PROOF}, taken=True).events == []


def test_without_a_proof_a_free_domain_looks_like_one_that_another_project_has() -> None:
    free = examine(MINE, CLAIM, PENDING, (), taken=False)
    assert free == examine(MINE, CLAIM, ACCEPTED, {value_of(THEIRS, UUID(int=4))}, taken=True)
    assert (free.events, free.status) == ([], "PENDING")


def test_the_owner_of_the_dns_is_told_that_another_project_has_the_domain() -> None:
    assert examine(MINE, CLAIM, ACCEPTED, {PROOF}, taken=True).problem == TAKEN


def test_a_verified_domain_needs_no_proof() -> None:
    kept = examine(MINE, replace(CLAIM, verified=True), ACCEPTED, (), taken=True)
    assert (kept.events, kept.status, kept.problem) == ([], "SUCCESS", None)


def test_where_ses_is_proof_enough_the_oldest_claim_gets_the_domain() -> None:
    assert examine(MINE, CLAIM, ACCEPTED, None, taken=False).events == [VERIFIED]
    late = examine(MINE, CLAIM, ACCEPTED, None, taken=True)
    assert (late.events, late.status, late.problem) == ([], "PENDING", None)
