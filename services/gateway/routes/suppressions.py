"""Suppressions: rules for addresses, the list of suppressed addresses, and the mails that were suppressed."""

from typing import Annotated

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import View
from libs.schemas.delivery.emails import (
    EmailPage,
    EmailView,
    GetEmail,
    ListEmails,
)
from libs.schemas.delivery.suppressions import (
    CreateSuppressionRule,
    DeleteSuppressionRule,
    ListedReason,
    ListSuppressedAddresses,
    ListSuppressionRules,
    PreviewSuppression,
    ReleaseAddress,
    RuleKind,
    SuppressAddresses,
    SuppressedAddresses,
    SuppressedAddressPage,
    SuppressionPreview,
    SuppressionRuleView,
    UpdateSuppressionRule,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.csv_writer import csv_rows
from services.gateway.http.downloads import CSV, download_headers
from services.gateway.http.errors import not_found
from services.gateway.http.fields import Email, Name, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.parameters import Cursor, Limit
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Suppressions"]

MAX_AT_ONCE = 1000
MAX_BYTES = 512 * 1024
CSV_PAGE = 1000
CSV_HEADER = ["email", "reason", "since"]


class RuleBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ADDRESS matches the whole address, DOMAIN the domain without its subdomains, PREFIX and SUFFIX the start and the
    end of the part before the @, WILDCARD the whole address with `*` for any text and `?` for any character. Case does
    not matter."""

    name: Name
    kind: RuleKind
    pattern: Annotated[str, Meta(min_length=1, max_length=254, examples=["*+test@example.com"])]
    enabled: bool = True


class AddressPreviewBody(Body, frozen=True, kw_only=True):
    address: Email


class AddressesBody(Body, frozen=True, kw_only=True):
    """The project's own list: whatever the `reason`, other projects and the SES account are not concerned."""

    addresses: Annotated[list[Email], Meta(min_length=1, max_length=MAX_AT_ONCE)]
    reason: ListedReason = "MANUAL"


class AddressBody(Body, frozen=True, kw_only=True):
    address: Email
    reason: ListedReason = "MANUAL"


class Changed(View, frozen=True, kw_only=True):
    success: bool = True


class SuppressedEmails(View, frozen=True, kw_only=True):
    emails: list[EmailView]
    next_cursor: str | None


Reason = Annotated[ListedReason | None, QueryParameter(description="Only addresses with this reason")]


@get("/suppressions", responses=query_responses(list[SuppressionRuleView]), tags=TAGS)
async def list_suppression_rules(request: ApiRequest) -> RawResponse:
    """List suppression rules

    In the order in which they are checked. The first rule that matches suppresses a mail.
    """
    return RawResponse(await request.query(ListSuppressionRules()))


@post("/suppressions", responses=command_responses(SuppressionRuleView, 201), tags=TAGS)
async def create_suppression_rule(data: JSONBody[RuleBody], request: ApiRequest) -> RawResponse:
    """Create a suppression rule

    It applies to all mails that were not sent yet, including queued ones. A project can have at most 100 rules.
    """
    command = CreateSuppressionRule(
        rule_id=uuid7(), name=data.name, kind=data.kind, pattern=data.pattern, enabled=data.enabled
    )
    return RawResponse(await request.execute(command), 201)


@put("/suppressions/{rule_id:str}", responses=command_responses(Changed, 200), tags=TAGS)
async def update_suppression_rule(rule_id: FromPath[str], data: JSONBody[RuleBody], request: ApiRequest) -> RawResponse:
    """Change a suppression rule"""
    command = UpdateSuppressionRule(
        rule_id=parse_id(rule_id, "Suppression rule"),
        name=data.name,
        kind=data.kind,
        pattern=data.pattern,
        enabled=data.enabled,
    )
    await request.execute(command)
    return RawResponse(encode(Changed()))


@delete("/suppressions/{rule_id:str}", status_code=200, responses=command_responses(Changed, 200), tags=TAGS)
async def delete_suppression_rule(rule_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Delete a suppression rule"""
    await request.execute(DeleteSuppressionRule(rule_id=parse_id(rule_id, "Suppression rule")))
    return RawResponse(encode(Changed()))


@post("/suppressions/preview", status_code=200, responses=query_responses(SuppressionPreview), tags=TAGS)
async def preview_suppression(data: JSONBody[AddressPreviewBody], request: ApiRequest) -> RawResponse:
    """Check whether an address is suppressed"""
    return RawResponse(await request.query(PreviewSuppression(address=data.address)))


@get("/suppressions/emails", responses=query_responses(SuppressedEmails), tags=TAGS)
async def list_suppressed_emails(request: ApiRequest, limit: Limit = 20, cursor: Cursor = None) -> RawResponse:
    """List suppressed emails

    Newest first.
    """
    answer = await request.query(ListEmails(limit=limit, cursor=cursor, state="suppressed"))
    page = msgspec.json.decode(answer, type=EmailPage)
    return RawResponse(encode(SuppressedEmails(emails=page.data, next_cursor=page.cursor)))


@get("/suppressions/emails/{email_id:str}", responses=query_responses(EmailView), tags=TAGS)
async def get_suppressed_email(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a suppressed email"""
    answer = await request.query(GetEmail(email_id=parse_id(email_id, "Email")))
    if msgspec.json.decode(answer, type=EmailView).state != "suppressed":
        raise not_found("Email")
    return RawResponse(answer)


@get("/suppressions/addresses", responses=query_responses(SuppressedAddressPage), tags=TAGS)
async def list_suppressed_addresses(
    request: ApiRequest, limit: Limit = 20, cursor: Cursor = None, reason: Reason = None
) -> RawResponse:
    """List suppressed addresses

    In alphabetical order. An address is on the list because it bounced permanently (BOUNCE) or five times in a row
    without a delivery in between (REPEATED_BOUNCE), because its owner complained (COMPLAINT), or because somebody added
    it (MANUAL).
    """
    return RawResponse(await request.query(ListSuppressedAddresses(limit=limit, cursor=cursor, reason=reason)))


@post("/suppressions/addresses", responses=command_responses(SuppressedAddresses, 201), tags=TAGS)
async def suppress_address(data: JSONBody[AddressBody], request: ApiRequest) -> RawResponse:
    """Suppress an address"""
    return RawResponse(await request.execute(SuppressAddresses(addresses=[data.address], reason=data.reason)), 201)


@post(
    "/suppressions/addresses/import",
    status_code=200,
    responses=command_responses(SuppressedAddresses, 200),
    tags=TAGS,
    request_max_body_size=MAX_BYTES,
)
async def import_suppressed_addresses(data: JSONBody[AddressesBody], request: ApiRequest) -> RawResponse:
    """Suppress up to 1,000 addresses

    If one of them is not a valid address, none is added.
    """
    return RawResponse(await request.execute(SuppressAddresses(addresses=data.addresses, reason=data.reason)))


@get("/suppressions/addresses/export", responses=query_responses(str), tags=TAGS)
async def export_suppressed_addresses(request: ApiRequest, cursor: Cursor = None, reason: Reason = None) -> RawResponse:
    """Export suppressed addresses as CSV

    A thousand at a time. If there are more, the header X-Next-Cursor has the cursor of the next part.
    """
    query = ListSuppressedAddresses(limit=CSV_PAGE, cursor=cursor, reason=reason)
    page = await request.query_as(query, SuppressedAddressPage)
    next_part = [(b"x-next-cursor", page.cursor.encode())] if page.cursor else []
    rows = [[each.address, each.reason, each.since] for each in page.data]
    headers = [*download_headers("suppressions.csv"), *next_part]
    return RawResponse(csv_rows([CSV_HEADER, *rows]), media_type=CSV, headers=headers)


@delete("/suppressions/addresses/{address:str}", status_code=200, responses=command_responses(Changed, 200), tags=TAGS)
async def release_suppressed_address(address: FromPath[str], request: ApiRequest) -> RawResponse:
    """Release a suppressed address

    If SES reported a bounce or complaint and no other project lists the address for that, it is also removed from the
    suppression list of the SES account.
    """
    if "\0" in address:
        raise not_found("Suppressed address")
    await request.execute(ReleaseAddress(address=address))
    return RawResponse(encode(Changed()))
