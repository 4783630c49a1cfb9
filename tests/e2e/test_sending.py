"""`godwit sending` for all mail; for a single project see `test_reputation.py`."""

import asyncio
from uuid import uuid4

import httpx

from deploy.demo.api import Api
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.e2e.conftest import godwit
from tests.e2e.story import SENDER, mails_to


async def sending(target: Target, *arguments: str) -> tuple[int, str]:
    done = await asyncio.to_thread(godwit, target, "sending", *arguments)
    return done.returncode, done.stdout + done.stderr


async def every_sender_is_paused(target: Target) -> bool:
    ports = [port for name, port in target.endpoints.health_ports.items() if name.startswith("delivery")]
    async with httpx.AsyncClient() as client:
        told = [(await client.get(f"http://127.0.0.1:{port}/metrics")).text for port in ports]
    return all("godwit_sending_paused 1.0" in text for text in told)


async def test_all_mail_waits_while_sending_is_paused_and_is_sent_afterwards(api: Api, target: Target) -> None:
    assert (await sending(target, "status"))[0] == 0
    await sending(target, "pause", "--note", "a look first")
    try:
        code, said = await sending(target, "status")
        assert code == 1 and "Paused by an operator: a look first" in said

        await eventually(lambda: every_sender_is_paused(target))
        email = f"waits.{uuid4().hex}@example.net"
        await api.post("/v1/send", {"to": email, "subject": "Hi", "body": "<p>Hi</p>", **SENDER})
        assert (await api.get("/sending"))["paused"] and await mails_to(api, email) == []
        assert "1 emails are queued" in (await sending(target, "status"))[1]
    finally:
        code, said = await sending(target, "resume")
    assert (code, said) == (0, "email goes out again\n")
    assert await eventually(lambda: mails_to(api, email), within=30)
