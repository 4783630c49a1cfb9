"""Rebuild read models from events; the old ones serve until the new ones have caught up."""

import argparse
import asyncio

EPILOG = """\
A table that was lost, or whose definition changed with an upgrade, is made anew from the log. Events of other services
are read from the stream EVENTS: if that does not reach back far enough, refill it first with `godwit replay`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from deploy.services import NAMES

    parser.epilog = EPILOG
    parser.add_argument("service", choices=NAMES)
    parser.add_argument("model", nargs="*", help="names of read models; all of the service's if none is given")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from deploy.commands import Failed
    from deploy.reach import bus, database
    from deploy.setup import declared_services
    from libs.runtime.rebuild import Rebuild

    [service] = declared_services([args.service])
    known = {model.NAME: model for model in service.read_models}
    if unknown := set(args.model) - known.keys():
        raise Failed(f"{args.service} has no {', '.join(sorted(unknown))}; it has {', '.join(known)}")
    models = [known[name] for name in args.model or known]
    async with database() as conn, bus() as client:
        done = await Rebuild(conn, client, service, models).run()
    print(f"rebuilt {', '.join(done.models)} from {done.own_events} own and {done.foreign_events} other events")
    return 0
