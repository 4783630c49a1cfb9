"""Sending domains."""

import asyncio
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import View
from libs.schemas.campaigns.campaigns import CountDomainUses, DomainUses
from libs.schemas.delivery.domains import (
    AddDomain,
    DnsRecord,
    DomainView,
    GetDomain,
    ListDomains,
    RemoveDomain,
    VerifyDomain,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError, not_found
from services.gateway.http.fields import parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Domains"]

POLL_SECONDS, MAX_POLLS = 0.2, 40
"""How often, and how many times, to look whether SES has checked the domain."""

_decode = msgspec.json.Decoder(DomainView).decode


class DomainBody(Body, frozen=True, kw_only=True):
    domain: Annotated[str, Meta(min_length=3, max_length=253, examples=["news.example.com"])]
    project_id: Annotated[str, Meta(max_length=64, description="Not needed: the API key has one project")] | None = None


class DomainVerification(View, frozen=True, kw_only=True):
    """`status` is that of Amazon SES: Pending, Success, Failed, TemporaryFailure or NotStarted."""

    domain: str
    tokens: list[str]
    status: str
    verified: bool
    records: list[DnsRecord]
    checked_at: str | None
    problem: str | None


class Removed(View, frozen=True, kw_only=True):
    success: bool = True


@get("/domains", responses=query_responses(list[DomainView]), tags=TAGS)
async def list_domains(request: ApiRequest) -> RawResponse:
    """List the sending domains of the project"""
    return RawResponse(await request.query(ListDomains()))


@get("/domains/project/{project_id:str}", responses=query_responses(list[DomainView]), tags=TAGS)
async def list_domains_of_project(project_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """List the sending domains of a project by its id"""
    if parse_id(project_id, "Project") != request.project:
        raise not_found("Project")
    return RawResponse(await request.query(ListDomains()))


@post("/domains", responses=command_responses(DomainView, 201), tags=TAGS)
async def add_domain(data: JSONBody[DomainBody], request: ApiRequest) -> RawResponse:
    """Add a sending domain

    Returns the DNS records to publish. Once they are published, Amazon SES verifies the domain, and mail can be sent
    from its addresses (but not from its subdomains). A domain belongs to the first project that publishes its record
    for OWNERSHIP.
    """
    added = _decode(await request.execute(AddDomain(domain_id=uuid7(), domain=data.domain)))
    return RawResponse(encode(await _after_check(request, added, None)), 201)


@get("/domains/{domain_id:str}/verify", responses=query_responses(DomainVerification), tags=TAGS)
async def verify_domain(domain_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Check a domain now

    Without this it is checked every five minutes.
    """
    parsed_id = parse_id(domain_id, "Domain")
    before = _decode(await request.query(GetDomain(domain_id=parsed_id)))
    await request.execute(VerifyDomain(domain_id=parsed_id))
    checked = await _after_check(request, before, before.checked_at)
    return RawResponse(encode(_verification(checked)))


@get("/domains/{domain_id:str}", responses=query_responses(DomainView), tags=TAGS)
async def get_domain(domain_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a sending domain"""
    return RawResponse(await request.query(GetDomain(domain_id=parse_id(domain_id, "Domain"))))


@delete("/domains/{domain_id:str}", status_code=200, responses=command_responses(Removed, 200), tags=TAGS)
async def remove_domain(domain_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Remove a sending domain

    Rejected while templates or unfinished campaigns send from it.
    """
    parsed_id = parse_id(domain_id, "Domain")
    domain = _decode(await request.query(GetDomain(domain_id=parsed_id)))
    uses = await request.query_as(CountDomainUses(domain=domain.domain), DomainUses)
    if uses.templates or uses.campaigns:
        raise ApiError(409, "DOMAIN_IN_USE", _in_use(uses), details=msgspec.to_builtins(uses))
    await request.execute(RemoveDomain(domain_id=parsed_id))
    return RawResponse(encode(Removed()))


def _verification(domain: DomainView) -> DomainVerification:
    return DomainVerification(
        domain=domain.domain,
        tokens=domain.tokens,
        status=domain.status.title().replace("_", ""),
        verified=domain.verified,
        records=domain.records,
        checked_at=domain.checked_at,
        problem=domain.problem,
    )


async def _after_check(request: ApiRequest, domain: DomainView, before: str | None) -> DomainView:
    """Return the domain after SES has checked it, or as it is if that takes too long."""
    for _ in range(MAX_POLLS):
        checked = _decode(await request.query(GetDomain(domain_id=domain.id)))
        if checked.checked_at != before or checked.vouched:
            return checked
        await asyncio.sleep(POLL_SECONDS)
    return checked


def _in_use(uses: DomainUses) -> str:
    what = [
        f"{count} {name}"
        for count, name in ((uses.templates, "template(s)"), (uses.campaigns, "active campaign(s)"))
        if count
    ]
    return (
        f"Cannot delete domain: it is currently used in {' and '.join(what)}. "
        "Change their sender first, or delete them."
    )
