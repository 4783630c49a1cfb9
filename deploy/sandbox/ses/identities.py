"""Email identities: the domains and addresses to send from."""

import secrets

import msgspec

from deploy.sandbox.http.asgi import (
    ApiError,
    Request,
    Response,
    json_response,
)
from deploy.sandbox.http.paging import page, page_of
from deploy.sandbox.http.requests import (
    CreateEmailIdentity,
    ListRequest,
    PutMailFrom,
    decoder,
)
from deploy.sandbox.ses.account import Account
from deploy.sandbox.ses.drafts import bare_address
from deploy.sandbox.storage.store import Store

ONE = "select name, verified, tokens from identity where name = ?"
PAGE = "select name, verified, tokens from identity where name > ? order by name limit ?"
VERIFIED = """
select 1 from identity
where verified and (name = :address or name = :domain or :domain like '%.' || name) limit 1
"""
ADD = "insert or ignore into identity (name, verified, tokens) values (?, ?, ?)"
SET_VERIFIED = "update identity set verified = ? where name = ?"
DELETE = "delete from identity where name = ?"
MAIL_FROM = "select domain, on_failure from mail_from where identity = ?"
SET_MAIL_FROM = """
insert into mail_from (identity, domain, on_failure) values (?, ?, ?)
on conflict (identity) do update set domain = excluded.domain, on_failure = excluded.on_failure
"""
DELETE_MAIL_FROM = "delete from mail_from where identity = ?"

MAX_DOMAIN = 253

read_create = decoder(CreateEmailIdentity)
read_list = decoder(ListRequest)
read_mail_from = decoder(PutMailFrom)


class Identities:
    def __init__(self, store: Store, account: Account, region: str) -> None:
        self._store, self._account, self._region = store, account, region

    def require_verified(self, sender: str) -> None:
        address = bare_address(sender).lower()
        domain = address.rpartition("@")[2]
        if not self._store.rows(VERIFIED, {"address": address, "domain": domain}):
            raise ApiError(
                400,
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in region "
                f"{self._region.upper()}: {sender}",
            )

    async def create(self, request: Request) -> Response:
        name = read_create(await request.body()).email_identity.lower()
        if self._store.rows(ONE, (name,)):
            raise ApiError(400, "AlreadyExistsException", f"Email identity {name} already exist.")
        tokens = msgspec.json.encode([secrets.token_hex(16) for _ in range(3)]).decode()
        await self._store.write((ADD, [(name, self._account.verify_new_identities, tokens)]))
        shown = self._shown(name)
        return json_response(
            {key: shown[key] for key in ("IdentityType", "VerifiedForSendingStatus", "DkimAttributes")}
        )

    async def get(self, request: Request, name: str) -> Response:
        return json_response(self._shown(name))

    async def put_mail_from(self, request: Request, name: str) -> Response:
        """Set the MAIL FROM domain. An empty domain removes the setting."""
        found, _, _ = self._require(name)
        call = read_mail_from(await request.body())
        domain = call.mail_from_domain.lower()
        if not domain:
            await self._store.write((DELETE_MAIL_FROM, [(found,)]))
            return json_response({})
        if len(domain) > MAX_DOMAIN:
            raise ApiError(400, "BadRequestException", "The MAIL-FROM domain is too long.")
        if not domain.endswith(f".{found.rpartition('@')[2]}"):
            raise ApiError(
                400,
                "BadRequestException",
                f"Provided MAIL-FROM domain <{call.mail_from_domain}> is not subdomain of the domain of the identity "
                f"<{name}>.",
            )
        await self._store.write((SET_MAIL_FROM, [(found, domain, call.behavior_on_mx_failure)]))
        return json_response({})

    async def put_dkim_signing(self, request: Request, name: str) -> Response:
        """Restart the verification. Here nothing changes until a call says that the records are published."""
        dkim = self._shown(name)["DkimAttributes"]
        assert isinstance(dkim, dict)
        return json_response({"DkimStatus": dkim["Status"], "DkimTokens": dkim["Tokens"]})

    async def delete(self, request: Request, name: str) -> Response:
        self._require(name)
        await self._store.write((DELETE, [(name.lower(),)]), (DELETE_MAIL_FROM, [(name.lower(),)]))
        return json_response({})

    async def list(self, request: Request) -> Response:
        call = read_list(await request.body())
        limit, after = page_of(call.page_size, call.next_token, largest=1000)
        return json_response(page("EmailIdentities", self._store.rows(PAGE, (after, limit + 1)), limit, _summary))

    async def set_verified(self, name: str, verified: bool) -> None:
        """Set the verification, which in real life follows from publishing or removing the DNS records."""
        self._require(name)
        await self._store.write((SET_VERIFIED, [(verified, name.lower())]))

    def _shown(self, name: str) -> dict[str, object]:
        found, verified, tokens = self._require(name)
        mail_from: dict[str, object] = {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"}
        for domain, on_failure in self._store.rows(MAIL_FROM, (found,)):
            mail_from = {
                "MailFromDomain": domain,
                "MailFromDomainStatus": _status(verified),
                "BehaviorOnMxFailure": on_failure,
            }
        return _identity(found, verified, tokens) | {"MailFromAttributes": mail_from}

    def _require(self, name: str) -> tuple[str, bool, str]:
        rows = self._store.rows(ONE, (name.lower(),))
        if not rows:
            raise ApiError(404, "NotFoundException", f"Email identity {name} does not exist.")
        found, verified, tokens = rows[0]
        return found, bool(verified), tokens


def _type(name: str) -> str:
    return "EMAIL_ADDRESS" if "@" in name else "DOMAIN"


def _status(verified: bool) -> str:
    return "SUCCESS" if verified else "PENDING"


def _summary(name: str, verified: bool, tokens: str) -> dict[str, object]:
    return {
        "IdentityType": _type(name),
        "IdentityName": name,
        "SendingEnabled": bool(verified),
        "VerificationStatus": _status(verified),
    }


def _identity(name: str, verified: bool, tokens: str) -> dict[str, object]:
    return {
        "IdentityType": _type(name),
        "FeedbackForwardingStatus": True,
        "VerifiedForSendingStatus": verified,
        "VerificationStatus": _status(verified),
        "DkimAttributes": {
            "SigningEnabled": True,
            "Status": _status(verified),
            "Tokens": msgspec.Raw(tokens.encode()),
            "SigningAttributesOrigin": "AWS_SES",
            "NextSigningKeyLength": "RSA_2048_BIT",
            "CurrentSigningKeyLength": "RSA_2048_BIT",
        },
        "Policies": {},
        "Tags": [],
    }
