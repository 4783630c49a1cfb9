"""Publish a service's events again, to refill a stream or for a new subscriber."""

import argparse
import asyncio
import sys
from datetime import datetime

EPILOG = """\
Consumers ignore events that they have already handled. Events are published in their original order.
example: godwit replay contacts --since 2026-11-01T00:00:00Z
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from deploy.services import SERVICES

    parser.epilog = EPILOG
    parser.add_argument("service", choices=SERVICES)
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--since", type=datetime.fromisoformat, metavar="INSTANT", help="start at this time (ISO 8601 with an offset)"
    )
    start.add_argument("--after", type=int, default=0, metavar="SEQUENCE", help="start after this sequence (0)")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from deploy.commands import Failed
    from deploy.connections import bus, database
    from libs.runtime.messaging.decrypting_publisher import DecryptingPublisher
    from libs.runtime.operations.replay import BusRefused, replay, sequence_at

    async with database() as conn, bus() as client:
        after = await sequence_at(conn, args.service, args.since.astimezone()) if args.since else args.after
        reached = after
        try:
            async for reached in replay(conn, DecryptingPublisher(client, "EVENTS", conn), args.service, after):
                if sys.stdout.isatty():
                    print(f"\r{reached - after} events", end="", flush=True)
        except BusRefused as refused:
            raise Failed(str(refused)) from refused
    start = "\r" if sys.stdout.isatty() else ""
    print(f"{start}replayed {reached - after} events of {args.service}, up to sequence {reached}")
    return 0
