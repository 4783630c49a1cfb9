"""The two limits of an SES account, both counted in recipients: a send rate and a rolling 24-hour quota. Pure."""

from collections import deque

DAY = 86_400.0
MINUTE = 60.0


class SendRate:
    """A token bucket for one second of sending. A message larger than the bucket passes when the bucket is full."""

    def __init__(self, per_second: float, now: float) -> None:
        self.per_second = per_second
        self._tokens = self._capacity
        self._filled_at = now

    @property
    def _capacity(self) -> float:
        return max(1.0, self.per_second)

    def change(self, per_second: float, now: float) -> None:
        self._fill(now)
        self.per_second = per_second
        self._tokens = min(self._tokens, self._capacity)

    def take(self, recipients: int, now: float) -> bool:
        self._fill(now)
        if self._tokens < min(recipients, self._capacity):
            return False
        self._tokens -= recipients
        return True

    def _fill(self, now: float) -> None:
        self._tokens = min(self._capacity, self._tokens + max(0.0, now - self._filled_at) * self.per_second)
        self._filled_at = now


class DailyQuota:
    """The recipients of the last 24 hours, counted per minute."""

    def __init__(self, maximum: float) -> None:
        self.maximum = maximum
        self._minutes: deque[list[float]] = deque()
        self._sent = 0.0

    def sent(self, now: float) -> float:
        while self._minutes and self._minutes[0][0] <= now - DAY:
            self._sent -= self._minutes.popleft()[1]
        return self._sent

    def allows(self, recipients: int, now: float) -> bool:
        return self.sent(now) + recipients <= self.maximum

    def add(self, recipients: float, now: float) -> None:
        minute = now - now % MINUTE
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append([minute, 0.0])
        self._minutes[-1][1] += recipients
        self._sent += recipients
