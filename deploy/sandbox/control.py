"""The control interface under /sandbox: show what was accepted, and set what the sandbox does next."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import msgspec

from deploy.sandbox.http.asgi import (
    ApiError,
    Request,
    Response,
    json_response,
)
from deploy.sandbox.mailbox.ledger import Ledger, Message
from deploy.sandbox.mailbox.mail import raw_mail, read_mail
from deploy.sandbox.mailbox.outcomes import Behaviour
from deploy.sandbox.ses.account import Account, AccountChange
from deploy.sandbox.ses.faults import Fault, Faults
from deploy.sandbox.ses.identities import Identities
from deploy.sandbox.ses.sending import Ses
from deploy.sandbox.sns.notifier import Notifier
from deploy.sandbox.sns.subscription_delivery import Mode
from deploy.sandbox.sns.subscriptions import Subscriptions
from deploy.sandbox.timestamps import iso

MAX_LIMIT = 100_000
DEFAULT_LIMIT = 100
Change = TypeVar("Change")


class ModeChange(msgspec.Struct, forbid_unknown_fields=True):
    mode: Mode


class IdentityVerification(msgspec.Struct, forbid_unknown_fields=True):
    identity: str
    verified: bool = True


FIELDS: dict[str, Callable[[Message], object]] = {
    "id": lambda message: message.id,
    "emailId": lambda message: message.email_id,
    "from": lambda message: message.sender,
    "to": lambda message: message.recipients,
    "tags": lambda message: message.tags,
    "configurationSet": lambda message: message.configuration_set,
    "acceptedAt": lambda message: iso(message.accepted_at),
    "raw": lambda message: raw_mail(message).decode("utf-8", "replace"),
}
MAIL_FIELDS = ("subject", "html", "text", "headers")
ALL_FIELDS = (*FIELDS, *MAIL_FIELDS)


class Control:
    def __init__(
        self,
        account: Account,
        faults: Faults,
        ledger: Ledger,
        identities: Identities,
        subscriptions: Subscriptions,
        notifier: Notifier,
        ses: Ses,
    ) -> None:
        self._account, self._faults, self._ledger = account, faults, ledger
        self._identities, self._subscriptions, self._notifier, self._ses = identities, subscriptions, notifier, ses

    async def messages(self, request: Request) -> Response:
        """List the accepted messages. `fields` (comma-separated) omits all others, and the work of reading them."""
        query = request.query
        fields = _fields(query.get("fields", ""))
        limit = _limit(query.get("limit", str(DEFAULT_LIMIT)))
        seqs, total = self._ledger.find(to=query.get("to", ""), email_id=query.get("emailId", ""), limit=limit)
        return Response(self._written(seqs, total, fields))

    async def clear_messages(self, request: Request) -> Response:
        await self._ledger.clear()
        return json_response({})

    async def stats(self, request: Request) -> Response:
        return json_response(
            {
                **self._ledger.totals(),
                "throttled": self._account.throttled,
                "faults": self._faults.struck,
                "notifications": self._notifier.status(),
            }
        )

    async def faults(self, request: Request) -> Response:
        return json_response({"faults": self._faults.planted, "struck": self._faults.struck})

    async def plant_fault(self, request: Request) -> Response:
        self._faults.plant(_read(await request.body(), Fault))
        return await self.faults(request)

    async def clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return await self.faults(request)

    async def notifications(self, request: Request) -> Response:
        context = self._notifier.context
        subscriptions = [
            {"endpoint": each.endpoint, "arn": each.arn, "confirmed": each.confirmed}
            for each in self._subscriptions.current
        ]
        certificate = f"{context.topic.url}/{context.topic.certificate_name}"
        return json_response(
            {
                **self._notifier.status(),
                "topicArn": context.topic.arn,
                "signingCertUrl": certificate,
                "subscriptions": subscriptions,
            }
        )

    async def set_notifications(self, request: Request) -> Response:
        self._notifier.context.mode = _read(await request.body(), ModeChange).mode
        return await self.notifications(request)

    async def account(self, request: Request) -> Response:
        return json_response(self._account.state())

    async def set_account(self, request: Request) -> Response:
        self._account.change(_read(await request.body(), AccountChange))
        return await self.account(request)

    async def behaviour(self, request: Request) -> Response:
        return json_response(self._ses.behaviour)

    async def set_behaviour(self, request: Request) -> Response:
        """Change the behaviour. Missing fields, including those of `delays`, stay as they are."""
        change = _read(await request.body(), dict[str, object])
        current = msgspec.to_builtins(self._ses.behaviour)
        delays = change.get("delays", {})
        merged = {
            **current,
            **change,
            "delays": {**current["delays"], **delays} if isinstance(delays, dict) else delays,
        }
        self._ses.behaviour = _read(msgspec.json.encode(merged), Behaviour)
        return await self.behaviour(request)

    async def verify_identity(self, request: Request) -> Response:
        change = _read(await request.body(), IdentityVerification)
        await self._identities.set_verified(change.identity, change.verified)
        return json_response(change)

    async def _written(self, seqs: Sequence[int], total: int, fields: Sequence[str]) -> AsyncIterator[bytes]:
        yield b'{"messages":['
        separator = b""
        for message in self._ledger.read(seqs):
            yield separator + msgspec.json.encode(_shown(message, fields))
            separator = b","
            await asyncio.sleep(0)  # a long list must not hold up senders
        yield b'],"total":%d}' % total


def _shown(message: Message, fields: Sequence[str]) -> dict[str, object]:
    shown = {name: FIELDS[name](message) for name in fields if name in FIELDS}
    if any(name in MAIL_FIELDS for name in fields):
        mail = read_mail(message)
        read = {"subject": mail.subject, "html": mail.html, "text": mail.text, "headers": dict(reversed(mail.headers))}
        shown |= {name: read[name] for name in fields if name in MAIL_FIELDS}
    return shown


def _fields(names: str) -> Sequence[str]:
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := set(chosen) - set(ALL_FIELDS):
        raise _invalid(f"unknown fields: {', '.join(sorted(unknown))}")
    return chosen or ALL_FIELDS


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise _invalid(f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def _read(body: bytes, shape: type[Change]) -> Change:
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _invalid(str(error)) from None


def _invalid(message: str) -> ApiError:
    return ApiError(400, "InvalidRequest", message)
