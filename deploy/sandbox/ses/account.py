"""The SES account that the sandbox imitates: its limits, its latency, and how strict it is about senders."""

import time
from typing import Annotated

import msgspec

from deploy.sandbox.http.asgi import ApiError
from deploy.sandbox.ses.limits import DAY, DailyQuota, SendRate
from deploy.sandbox.settings import Settings

Positive = Annotated[float, msgspec.Meta(gt=0)]


class AccountChange(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What `POST /sandbox/account` can change; missing fields stay as they are."""

    max_send_rate: Positive | None = None
    max24_hour_send: Positive | None = None
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=60_000)] | None = None
    require_verified_senders: bool | None = None
    verify_new_identities: bool | None = None


class Account:
    def __init__(self, settings: Settings, sent_per_minute: list[tuple[float, float]]) -> None:
        self._rate = SendRate(settings.max_send_rate, time.monotonic())
        self._quota = DailyQuota(settings.max_24_hour_send)
        for minute, recipients in sent_per_minute:
            self._quota.add(recipients, minute)
        self.latency = 0.0
        self.require_verified_senders = settings.require_verified_senders
        self.verify_new_identities = settings.verify_new_identities
        self.throttled = 0

    def admit(self, recipients: int) -> None:
        """Count the recipients against both limits, or raise SES's error if one is exceeded."""
        now = time.time()
        if not self._quota.allows(recipients, now):
            raise self._refusal("Daily message quota exceeded.")
        if not self._rate.take(recipients, time.monotonic()):
            raise self._refusal("Maximum sending rate exceeded.")
        self._quota.add(recipients, now)

    def change(self, change: AccountChange) -> None:
        if change.max_send_rate is not None:
            self._rate.change(change.max_send_rate, time.monotonic())
        if change.max24_hour_send is not None:
            self._quota.maximum = change.max24_hour_send
        if change.latency_ms is not None:
            self.latency = change.latency_ms / 1000
        if change.require_verified_senders is not None:
            self.require_verified_senders = change.require_verified_senders
        if change.verify_new_identities is not None:
            self.verify_new_identities = change.verify_new_identities

    def state(self) -> dict[str, object]:
        return {
            "maxSendRate": self._rate.per_second,
            "max24HourSend": self._quota.maximum,
            "sentLast24Hours": self._quota.sent(time.time()),
            "latencyMs": self.latency * 1000,
            "requireVerifiedSenders": self.require_verified_senders,
            "verifyNewIdentities": self.verify_new_identities,
        }

    def send_quota(self) -> dict[str, float]:
        return {
            "Max24HourSend": self._quota.maximum,
            "MaxSendRate": self._rate.per_second,
            "SentLast24Hours": self._quota.sent(time.time()),
        }

    def _refusal(self, message: str) -> ApiError:
        self.throttled += 1
        return ApiError(429, "TooManyRequestsException", message)


def one_day_ago() -> float:
    return time.time() - DAY
