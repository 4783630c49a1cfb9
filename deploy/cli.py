"""`godwit`: one command for everything that is started or looked after from a shell.

Nothing slow is imported before it is known what is wanted. The commands are the modules of `deploy.commands` and,
for each service, its name.
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
them; `godwit COMMAND --help` says what a command takes.
"""

Run = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """The console script. The exit code: 0 when it did what was asked, 1 when it could not, 2 for a wrong call."""
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
    """Whether the message says all that a person needs; anything else is a bug and shows where it is."""
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
