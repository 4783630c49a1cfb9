"""`godwit doctor` on the embedded stack."""

import asyncio

from deploy.demo.target import Target
from tests.e2e.conftest import godwit


async def doctor(target: Target, *options: str, **settings: str) -> tuple[int, str]:
    """Run the doctor, and return its exit code and output."""
    done = await asyncio.to_thread(godwit, target, "doctor", *options, **settings)
    return done.returncode, done.stdout + done.stderr


async def test_it_finds_no_problem_in_the_embedded_stack(target: Target) -> None:
    code, said = await doctor(target)
    assert "PROBLEM" not in said and code == 0, said
    for check in ("Postgres durability", "NATS durability", "SES credentials", "SNS subscription", "topic allow-list"):
        assert check in said


async def test_it_reports_a_problem_and_how_to_fix_it(target: Target) -> None:
    code, said = await doctor(target, "--nats-monitor", "http://127.0.0.1:9", GODWIT_CONFIGURATION_SET="not-there")
    assert code == 1
    words = " ".join(said.replace("->", " ").split())
    assert "configuration set not-there PROBLEM" in words and "every send fails" in words
    assert "sync_interval: always" in words
