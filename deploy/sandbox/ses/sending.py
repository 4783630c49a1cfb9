"""The sending half of the SES v2 API: SendEmail, SendBulkEmail, GetAccount."""

import asyncio
import time
from collections.abc import Sequence

from uuid_utils import uuid4

from deploy.sandbox.http.asgi import (
    ApiError,
    NoResponse,
    Request,
    Response,
    json_response,
)
from deploy.sandbox.http.requests import (
    BulkEntry,
    SendBulkEmail,
    SendEmail,
    decoder,
)
from deploy.sandbox.mailbox.ledger import Accepted, Ledger, Message
from deploy.sandbox.mailbox.outcomes import Behaviour, outcomes
from deploy.sandbox.ses.account import Account
from deploy.sandbox.ses.bulk import bulk_draft
from deploy.sandbox.ses.drafts import Draft, draft_of
from deploy.sandbox.ses.faults import FaultName, Faults
from deploy.sandbox.ses.identities import Identities
from deploy.sandbox.ses.suppression import SuppressionList
from deploy.sandbox.sns.subscriptions import Subscriptions

read_email = decoder(SendEmail)
read_bulk = decoder(SendBulkEmail)

REFUSALS = {
    "throttle": ApiError(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    "error_500": ApiError(500, "InternalServiceErrorException", "The service failed, as a planted fault asked it to."),
    "reject": ApiError(400, "MessageRejected", "Message rejected, as a planted fault asked."),
}
BULK_STATUS = {"MessageRejected": "MESSAGE_REJECTED", "BadRequestException": "INVALID_PARAMETER"}


class Ses:
    def __init__(
        self,
        account: Account,
        faults: Faults,
        ledger: Ledger,
        identities: Identities,
        suppression: SuppressionList,
        subscriptions: Subscriptions,
    ) -> None:
        self._account, self._faults, self._ledger = account, faults, ledger
        self._identities, self._suppression, self._subscriptions = identities, suppression, subscriptions
        self.behaviour = Behaviour()

    async def send_email(self, request: Request) -> Response:
        body = await request.body()
        draft = draft_of(read_email(body), body)
        fault = self._faults.draw(draft.tags)
        _refuse(fault)
        accepted = self._accept(draft)
        await self._keep([accepted], fault)
        return json_response({"MessageId": accepted.message.id})

    async def send_bulk_email(self, request: Request) -> Response:
        """Send a bulk call. A fault strikes the call as a whole; then each entry is checked on its own."""
        call = read_bulk(await request.body())
        fault = self._faults.draw({tag.name: tag.value for tag in call.default_email_tags})
        _refuse(fault)
        entries = [self._accept_entry(call, entry) for entry in call.bulk_email_entries]
        await self._keep([entry for entry in entries if isinstance(entry, Accepted)], fault)
        return json_response({"BulkEmailEntryResults": [_entry_result(entry) for entry in entries]})

    async def get_account(self, request: Request) -> Response:
        return json_response(
            {
                "DedicatedIpAutoWarmupEnabled": False,
                "EnforcementStatus": "HEALTHY",
                "ProductionAccessEnabled": True,
                "SendQuota": self._account.send_quota(),
                "SendingEnabled": True,
                "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
            }
        )

    def _accept(self, draft: Draft) -> Accepted:
        """Accept a message: SES has it from here on, provided that it can be stored."""
        if self._account.require_verified_senders:
            self._identities.require_verified(draft.sender)
        self._account.admit(len(draft.recipients))
        message = _message(draft, self._ledger.next_seq(), time.time())
        planned = outcomes(
            message.id,
            message.recipients,
            tracked="no-tracking" not in message.configuration_set,
            suppressed=self._suppression,
            behaviour=self.behaviour,
        )
        return Accepted(message, planned)

    def _accept_entry(self, call: SendBulkEmail, entry: BulkEntry) -> Accepted | ApiError:
        try:
            return self._accept(bulk_draft(call, entry))
        except ApiError as refusal:
            return refusal

    async def _keep(self, accepted: Sequence[Accepted], fault: FaultName | None) -> None:
        """Store the messages on disk; only then respond, or let a fault prevent the response."""
        self._suppression.add(await self._ledger.record(accepted, self._subscriptions.ids))
        if self._account.latency:
            await asyncio.sleep(self._account.latency)
        if fault is not None:
            raise NoResponse(reset=fault == "reset_after_accept")


def _refuse(fault: FaultName | None) -> None:
    if fault == "hang":
        raise NoResponse(reset=False)
    if fault in REFUSALS:
        raise REFUSALS[fault]


def _message(draft: Draft, seq: int, now: float) -> Message:
    return Message(
        seq=seq,
        id=f"0102{int(now * 1000):012x}-{uuid4()}-000000",
        email_id=draft.email_id,
        sender=draft.sender,
        recipients=draft.recipients,
        tags=draft.tags,
        configuration_set=draft.configuration_set,
        accepted_at=now,
        kind=draft.kind,
        content=draft.content,
    )


def _entry_result(entry: Accepted | ApiError) -> dict[str, str]:
    if isinstance(entry, Accepted):
        return {"Status": "SUCCESS", "MessageId": entry.message.id}
    if entry.status == 429:
        quota = entry.message.startswith("Daily")
        return {
            "Status": "ACCOUNT_DAILY_QUOTA_EXCEEDED" if quota else "ACCOUNT_THROTTLED",
            "Error": entry.message,
        }
    return {"Status": BULK_STATUS.get(entry.code, "FAILED"), "Error": entry.message}
