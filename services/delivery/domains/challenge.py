"""The TXT record by which a project proves that a domain is its own. Pure.

SES has one identity, and so one set of DKIM records, for all projects of the account: they show that somebody owns the
domain, but not which project. The value of this record follows from the project's own claim and suits no other.
"""

from hashlib import sha256
from uuid import UUID

LABEL = "_godwit"
PREFIX = "godwit-domain="
TOKEN_LENGTH = 40


def name_of(domain: str) -> str:
    """Return the name of the record for this domain."""
    return f"{LABEL}.{domain}"


def value_of(project: UUID, domain_id: UUID) -> str:
    """Return the value of the record. It is no secret: only the owner of the domain can publish it."""
    return PREFIX + sha256(f"godwit domain {project} {domain_id}".encode()).hexdigest()[:TOKEN_LENGTH]
