"""`godwit`: the command line that starts, inspects and repairs everything.

The commands are the modules of `deploy.commands`, plus one command per service, named after it. Slow imports wait until
the command is known.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType

import deploy.commands
from deploy.commands import Failed
from deploy.services import SERVICES

DESCRIPTION = "A self-hosted email platform: no recipient twice, none forgotten."
EPILOG = """\
Settings are environment variables: GODWIT_*, DATABASE_URL, NATS_URL and the standard AWS_*. docs/settings.md lists
them; `godwit COMMAND --help` shows the options of a command.
"""

Run = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0 for success, 1 for failure, 2 for wrong usage."""
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    if rest and not args.takes_the_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    run: Run = args.run
    try:
        return run(args)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not expected(error):
            raise
        print(f"godwit: {error}", file=sys.stderr)
        return 1


def expected(error: Exception) -> bool:
    """Return whether the error's message is enough for the user. Any other error is a bug and needs its traceback."""
    from deploy.embedded.errors import CannotStart
    from libs.runtime.process.settings import BadSettings

    return isinstance(error, Failed | CannotStart | BadSettings | OSError)


def build_parser() -> argparse.ArgumentParser:
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="godwit", usage="godwit COMMAND [OPTION ...]", description=DESCRIPTION, epilog=EPILOG, formatter_class=kind
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND ...", required=True, prog="godwit")
    for name, module in command_modules():
        takes_the_rest = getattr(module, "TAKES_THE_REST", False)
        text = first_line(module)
        command = commands.add_parser(
            name, help=text, description=text, formatter_class=kind, add_help=not takes_the_rest
        )
        command.set_defaults(run=module.run, takes_the_rest=takes_the_rest)
        module.add_arguments(command)
    for service in SERVICES:
        text = f"Run one process of the {service} service."
        command = commands.add_parser(service, help=text, description=text)
        command.set_defaults(run=partial(run_service, service), takes_the_rest=False)
    return parser


def command_modules() -> list[tuple[str, ModuleType]]:
    names = sorted((found.name for found in pkgutil.iter_modules(deploy.commands.__path__)), key=up_first)
    return [(name.replace("_", "-"), importlib.import_module(f"deploy.commands.{name}")) for name in names]


def up_first(name: str) -> tuple[bool, str]:
    return name != "up", name


def first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().split("\n", 1)[0]


def run_service(name: str, _args: argparse.Namespace) -> int:
    return importlib.import_module(f"services.{name}.__main__").main() or 0


if __name__ == "__main__":
    sys.exit(main())
