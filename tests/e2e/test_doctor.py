"""`godwit doctor` and the stack that it looks at."""

import asyncio
import subprocess
import sys

from deploy.demo.target import Target


async def doctor(target: Target, *options: str, **settings: str) -> tuple[int, str]:
    """Its exit code, and all that it says."""
    command = [sys.executable, "-m", "deploy.cli", "doctor", *options]
    plain = {"GODWIT_DATA_DIR": str(target.layout.root), "PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1"}
    environment = plain | settings
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def test_it_finds_the_embedded_stack_in_good_health(target: Target) -> None:
    code, said = await doctor(target)
    assert "PROBLEM" not in said and code == 0, said
    for check in ("Postgres durability", "NATS durability", "SES credentials", "SNS subscription", "topic allow-list"):
        assert check in said


async def test_it_says_what_is_wrong_and_what_to_do(target: Target) -> None:
    code, said = await doctor(target, "--nats-monitor", "http://127.0.0.1:9", GODWIT_CONFIGURATION_SET="not-there")
    assert code == 1
    words = " ".join(said.replace("->", " ").split())
    assert "configuration set not-there PROBLEM" in words and "every send fails" in words
    assert "sync_interval: always" in words
