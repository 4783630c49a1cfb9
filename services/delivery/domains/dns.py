"""The DNS records that a domain's owner has to publish to send through SES from this project. Pure."""

from libs.schemas.delivery.domains import DnsRecord
from services.delivery.domains import challenge
from services.delivery.domains.domain import Domain

BOUNCES_PRIORITY = 10


def records(domain: Domain, region: str, proof: str | None) -> list[DnsRecord]:
    """Return the records. DKIM is required; MAIL FROM and SPF align the envelope, and DMARC is advice.

    `proof` is the project's challenge, which is required until the domain is verified; None if there is none.
    """
    return [
        *([_ownership(domain, proof)] if proof else ()),
        *(_dkim(domain.domain, token) for token in domain.tokens),
        *(_mail_from(domain.mail_from, region) if domain.mail_from else ()),
        _dmarc(domain.domain),
    ]


def _ownership(domain: Domain, proof: str) -> DnsRecord:
    name = challenge.name_of(domain.domain)
    return DnsRecord(type_="TXT", name=name, value=proof, purpose="OWNERSHIP", required=not domain.verified)


def _dkim(domain: str, token: str) -> DnsRecord:
    return DnsRecord(
        type_="CNAME",
        name=f"{token}._domainkey.{domain}",
        value=f"{token}.dkim.amazonses.com",
        purpose="DKIM",
        required=True,
    )


def _mail_from(name: str, region: str) -> tuple[DnsRecord, DnsRecord]:
    bounces = DnsRecord(
        type_="MX",
        name=name,
        value=f"feedback-smtp.{region}.amazonses.com",
        purpose="MAIL_FROM",
        required=False,
        priority=BOUNCES_PRIORITY,
    )
    spf = DnsRecord(type_="TXT", name=name, value="v=spf1 include:amazonses.com ~all", purpose="SPF", required=False)
    return bounces, spf


def _dmarc(domain: str) -> DnsRecord:
    """Return a policy of `none`: the owner may choose a stricter one once reports show that all mail is signed."""
    return DnsRecord(type_="TXT", name=f"_dmarc.{domain}", value="v=DMARC1; p=none;", purpose="DMARC", required=False)
