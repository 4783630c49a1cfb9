"""Clients that keep working while everything breaks. They retry each call with its Idempotency-Key until it succeeds.

They note what they were promised: a 2xx response is a promise, no response is none.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx

from deploy.demo.api import Api
from tests.faults.rig import Rig

SENDER = {"from": "team@example.com", "fromName": "Team"}
CLIENTS = 8
RETRY_SECONDS = 0.3
CALL_SECONDS = 15.0


class Promises:
    """Everything the product has confirmed to its clients."""

    def __init__(self) -> None:
        self.contacts: list[str] = []
        self.mails: dict[str, UUID] = {}
        """The id of the only mail to each of these addresses."""
        self.events: list[str] = []
        """The names of the tracked events, each tracked once."""
        self.unsubscribed: dict[str, float] = {}
        """When the unsubscribe of each address was confirmed."""
        self.campaigns: list[str] = []
        self.repeats = 0

    @property
    def count(self) -> int:
        return sum(map(len, (self.contacts, self.mails, self.events, self.unsubscribed, self.campaigns)))


class Load:
    """A seeded workload on one rig. Addresses and events contain `name`, so several loads can share a stack."""

    def __init__(self, rig: Rig, seed: int, name: str) -> None:
        self._api: Api = rig.api
        self._chance = random.Random(f"{seed}-load")
        self._name = name
        self._numbers = iter(range(1_000_000_000))
        self._stopping = asyncio.Event()
        self.promised = Promises()

    async def add_contacts(self, count: int) -> None:
        addresses = iter([f"reader.{number}@{self._name}.example.com" for number in range(count)])

        async def add() -> None:
            for email in addresses:
                body = {"email": email, "data": {"name": "Ada", "cohort": self._name}}
                await self._call("POST", "/contacts", body)
                self.promised.contacts.append(email)

        await asyncio.gather(*(add() for _ in range(CLIENTS)))

    async def run(self) -> None:
        """Send campaigns one after the other, along with transactional mail, events and unsubscribes, until stopped."""
        await asyncio.gather(self._campaigns(), self._transactional(), self._tracking(), self._unsubscribes())

    def stop(self) -> None:
        """Start nothing new. Calls that were started are retried until they succeed."""
        self._stopping.set()

    async def send_campaign(self) -> str:
        """Send a campaign to all subscribed contacts of this load, and return its id."""
        condition = {"logic": "AND", "groups": [{"filters": [_equals("data.cohort", self._name)]}]}
        body = {
            "name": self._name,
            "subject": "News for {{ name }}",
            "body": "<p>Hello {{ name }}</p>",
            "audienceType": "FILTERED",
            "audienceCondition": condition,
            **SENDER,
        }
        campaign = (await self._call("POST", "/campaigns", body))["id"]
        await self._call("POST", f"/campaigns/{campaign}/send", {})
        self.promised.campaigns.append(campaign)
        return str(campaign)

    async def until_sent(self, campaign: str, within: float = 600.0) -> dict[str, Any]:
        async with asyncio.timeout(within):
            while True:
                stats: dict[str, Any] = await self._call("GET", f"/campaigns/{campaign}/stats", None)
                if stats["status"] == "SENT":
                    return stats
                await asyncio.sleep(0.5)

    async def send_mail(self) -> UUID:
        email = f"buyer.{next(self._numbers)}@{self._name}.example.com"
        body = {"to": email, "subject": "Receipt {{ name }}", "body": "<p>Thanks</p>", "from": SENDER["from"]}
        answer = await self._call("POST", "/v1/send", body)
        mail = self.promised.mails[email] = UUID(answer["emails"][0]["email"])
        return mail

    # --- clients -----------------------------------------------------------------------------------------------------

    async def _campaigns(self) -> None:
        while not self._stopping.is_set():
            campaign = await self.send_campaign()
            while not self._stopping.is_set():
                stats = await self._call("GET", f"/campaigns/{campaign}/stats", None)
                if stats["status"] == "SENT":
                    break
                await self._pause(1.0)

    async def _transactional(self) -> None:
        while not self._stopping.is_set():
            await self.send_mail()
            await self._pause(0.3)

    async def _tracking(self) -> None:
        while not self._stopping.is_set():
            event = f"{self._name}-{next(self._numbers)}"
            email = f"visitor.{self._chance.randrange(50)}@{self._name}.visitors.example.com"
            await self._call("POST", "/v1/track", {"email": email, "event": event})
            self.promised.events.append(event)
            await self._pause(0.2)

    async def _unsubscribes(self) -> None:
        waiting = self.promised.contacts[:]
        self._chance.shuffle(waiting)
        while waiting and not self._stopping.is_set():
            await self._pause(6.0)
            email = waiting.pop()
            await self._call("POST", "/contacts", {"email": email, "subscribed": False})
            self.promised.unsubscribed[email] = asyncio.get_running_loop().time()

    async def _pause(self, mean: float) -> None:
        """Sleep for about `mean` seconds, or until the load is stopped."""
        try:
            await asyncio.wait_for(self._stopping.wait(), self._chance.uniform(0, 2 * mean))
        except TimeoutError:
            return

    # --- one call ----------------------------------------------------------------------------------------------------

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        """Call until there is a promise, each time with the same key, and return the response."""
        key = {"Idempotency-Key": f"{self._name}-{next(self._numbers)}"} if body is not None else {}
        while True:
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    answer = await self._api.send(method, path, body or {}, key)
            except (httpx.TransportError, TimeoutError):
                answer = None
            if answer is not None and answer.is_success and answer.status_code != 202:
                return answer.json()
            if answer is not None and answer.status_code not in (202, 409, 500, 502, 503):
                raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
            if answer is not None and answer.status_code == 500:
                raise AssertionError(f"{method} {path}: a fault caused an internal error: {answer.text}")
            self.promised.repeats += 1
            await asyncio.sleep(RETRY_SECONDS)


def _equals(field: str, value: str) -> dict[str, str]:
    return {"field": field, "operator": "equals", "value": value}
