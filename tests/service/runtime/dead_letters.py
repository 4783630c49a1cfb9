"""Finds the dead letters of a test's project."""

from uuid import UUID

from nats.aio.client import Client

from libs.runtime.messaging.dead_letters import DeadLetter, DeadLetters
from libs.runtime.process.testing import eventually


async def dead_letters_of(client: Client, project: UUID) -> list[DeadLetter]:
    return [each async for each in DeadLetters(client).all() if each.headers["godwit-project"] == str(project)]


async def dead_letter_of(client: Client, project: UUID) -> DeadLetter:
    """Wait for a dead letter of the project, and return the oldest."""
    return (await eventually(lambda: dead_letters_of(client, project)))[0]
