"""Rebuild read models from events; the old ones serve until the new ones have caught up."""

import argparse
import gc

EPILOG = """\
Use it for a table that was lost, or whose definition changed with an upgrade. Events of other services are read from
the stream EVENTS: if that does not reach back far enough, refill it first with `godwit replay`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from deploy.services import SERVICES

    parser.epilog = EPILOG
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("model", nargs="*", help="names of read models; all of the service if none is given")


def run(args: argparse.Namespace) -> int:
    import uvloop

    from libs.runtime.process.lifecycle import GC_THRESHOLD

    gc.set_threshold(GC_THRESHOLD)  # as in a service: pages of events are many objects without cycles
    return uvloop.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from deploy.commands import Failed
    from deploy.connections import addresses, bus
    from deploy.services import declared_services
    from libs.runtime.operations.rebuild import rebuild

    [service] = declared_services([args.service])
    known = {model.NAME: model for model in service.read_models}
    if unknown := set(args.model) - known.keys():
        raise Failed(f"{args.service} has no {', '.join(sorted(unknown))}; it has {', '.join(known)}")
    models = [known[name] for name in args.model or known]
    async with bus() as client:
        done = await rebuild(addresses().admin_url, client, service, models)
    print(f"rebuilt {', '.join(done.models)} from {done.own_events} own and {done.foreign_events} other events")
    return 0
