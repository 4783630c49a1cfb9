"""List, show, retry and drop the messages that could not be handled."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from deploy.commands import Failed

if TYPE_CHECKING:
    from libs.runtime.messaging.dead_letters import DeadLetter, DeadLetters

EPILOG = """\
A message that its consumer could not handle is tried again after growing delays and then set aside, with the error.
Once the cause is mended, `retry` sends it back to that consumer alone; what it did already is not done twice.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|retry|drop")
    actions.add_parser("list", help="a line for each")
    for action, text in (("show", "all of one"), ("retry", "send back"), ("drop", "forget for good")):
        numbered = actions.add_parser(action, help=text)
        numbered.add_argument("number", nargs="*" if action != "show" else 1, type=int, help="number from `list`")
        if action != "show":
            numbered.add_argument("--all", action="store_true", help="every dead letter")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from deploy.connections import bus
    from libs.runtime.messaging.dead_letters import DeadLetters, NoSuchDeadLetter

    async with bus() as client:
        letters = DeadLetters(client)
        try:
            await _act(args, letters)
        except NoSuchDeadLetter as missing:
            raise Failed(str(missing)) from missing
    return 0


async def _act(args: argparse.Namespace, letters: "DeadLetters") -> None:
    if args.action == "list":
        async for letter in letters.all():
            print(_line(letter))
        return
    if args.action == "show":
        _show(await letters.get(args.number[0]))
        return
    numbers = [letter.number async for letter in letters.all()] if args.all else args.number
    if not numbers and not args.all:
        raise Failed("name the numbers, or give --all")
    for number in numbers:
        letter = await (letters.retry(number) if args.action == "retry" else letters.drop(number))
        print(f"{args.action}: {_line(letter)}")


def _line(letter: "DeadLetter") -> str:
    return f"{letter.number:>6}  {letter.consumer:<20} {letter.subject}  {letter.attempts} tries  {letter.error}"


def _show(letter: "DeadLetter") -> None:
    print(_line(letter))
    print(f"died at  {letter.died_at}")
    for name, value in sorted(letter.headers.items()):
        print(f"{name}: {value}")
    print()
    sys.stdout.write(letter.body.decode(errors="replace") + "\n")
