"""A well-behaved project: it lists contacts, tracks events and sends mail, one request after the other."""

import json
from uuid import uuid4

import msgspec

from deploy.demo.target import Target
from tests.benchmarks.load import Measured, get, post


class Served(msgspec.Struct, frozen=True):
    """How the requests of the project were served."""

    contacts: Measured
    track: Measured
    send: Measured

    @property
    def errors(self) -> int:
        return self.contacts.errors + self.track.errors + self.send.errors


async def serve(target: Target, requests: int) -> Served:
    """Make so many requests of each kind."""
    url = target.endpoints.url
    headers = {"Authorization": f"Bearer {target.secret_key}", "Content-Type": "application/json"}
    tracked = [{"email": f"{uuid4().hex}@example.net", "event": "bought"} for _ in range(requests)]
    mails = [{"to": f"{uuid4().hex}@example.net", "from": "team@example.com", **TEXT} for _ in range(requests)]
    return Served(
        await get(url, headers, iter(["/contacts"] * requests), 1),
        await post(f"{url}/v1/track", headers, (json.dumps(each).encode() for each in tracked), 1),
        await post(f"{url}/v1/send", headers, (json.dumps(each).encode() for each in mails), 1),
    )


TEXT = {"subject": "Your code", "body": "<p>1234</p>"}
