"""Print the users of an external NATS server, each with the rights that it needs."""

import argparse

EPILOG = """\
`godwit bus users` prints the `authorization` block for the configuration of a NATS server, with new passwords, and the
NATS_URL of each service and of the operator (who runs `godwit migrate`, `dead`, `replay`, `rebuild` and `doctor`). It
changes nothing: put the block into the server's configuration, and the URLs into the environments of the processes.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", required=True, metavar="users")
    users = actions.add_parser("users", help="print the users with their rights and new passwords")
    users.add_argument("--host", default="nats:4222", metavar="HOST:PORT", help="the server in the URLs (nats:4222)")


def run(args: argparse.Namespace) -> int:
    from deploy.provisioning.permissions import generate_passwords, render, users

    passwords = generate_passwords(user.name for user in users())
    print(render(passwords))
    for name, password in passwords.items():
        print(f"# {name}: NATS_URL=nats://{name}:{password}@{args.host}")
    return 0
