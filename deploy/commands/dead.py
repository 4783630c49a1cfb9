"""List, show, retry or drop the messages that could not be handled."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from deploy.commands import Failed

if TYPE_CHECKING:
    from libs.runtime.messaging.dead_letters import DeadLetter, DeadLetters

EPILOG = """\
A message that its consumer could not handle is retried after growing delays and then set aside, with the error. Once
the cause is fixed, `retry` sends it back to that consumer only; whatever already took effect does not happen twice.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|retry|drop")
    actions.add_parser("list", help="print one line per dead letter")
    actions_on_numbers = (
        ("show", "print a dead letter in full"),
        ("retry", "send dead letters back to their consumers"),
        ("drop", "delete dead letters for good"),
    )
    for action, text in actions_on_numbers:
        numbered = actions.add_parser(action, help=text)
        numbered.add_argument("number", nargs="*" if action != "show" else 1, type=int, help="number shown by `list`")
        if action != "show":
            numbered.add_argument("--all", action="store_true", help="every dead letter")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from deploy.connections import bus
    from libs.runtime.messaging.dead_letters import DeadLetters, NoSuchDeadLetter

    async with bus() as client:
        dead_letters = DeadLetters(client)
        try:
            await _run_action(args, dead_letters)
        except NoSuchDeadLetter as missing:
            raise Failed(str(missing)) from missing
    return 0


async def _run_action(args: argparse.Namespace, dead_letters: "DeadLetters") -> None:
    if args.action == "list":
        async for dead_letter in dead_letters.all():
            print(_line(dead_letter))
        return
    if args.action == "show":
        _show(await dead_letters.get(args.number[0]))
        return
    numbers = [dead_letter.number async for dead_letter in dead_letters.all()] if args.all else args.number
    if not numbers and not args.all:
        raise Failed("give the numbers of the dead letters, or --all")
    for number in numbers:
        dead_letter = await (dead_letters.retry(number) if args.action == "retry" else dead_letters.drop(number))
        print(f"{args.action}: {_line(dead_letter)}")


def _line(dead: "DeadLetter") -> str:
    return f"{dead.number:>6}  {dead.consumer:<20} {dead.subject}  {dead.attempts} tries  {dead.error}"


def _show(dead_letter: "DeadLetter") -> None:
    print(_line(dead_letter))
    print(f"died at  {dead_letter.died_at}")
    for name, value in sorted(dead_letter.headers.items()):
        print(f"{name}: {value}")
    print()
    sys.stdout.write(dead_letter.body.decode(errors="replace") + "\n")
