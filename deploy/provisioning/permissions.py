"""The users of the bus, each with the rights that it needs and no others.

There is one user per service, and `operator` for `godwit migrate` and the commands that inspect and repair. This table
is the only place where rights are given: the embedded NATS server and `godwit bus users` both render it. It is plain
data, because the embedded server starts before the services are loaded; tests compare it with what they declare.
"""

import json
import secrets
from collections.abc import Iterable, Mapping

import msgspec

from deploy.services import SERVICES
from libs.runtime.messaging.reply_inbox import inbox_prefix

OPERATOR = "operator"
STREAM_OF = {"commands": "COMMANDS", "events": "EVENTS", "ingest": "INGEST"}
"""The stream that each kind of consumer pulls from. The timers of a service have no stream, but dead letters."""

QUERIES = {
    "workflows": ("qry.contacts.get-contact", "qry.contacts.match-contact"),
    "delivery": ("qry.feedback.find-confirmed",),
}
"""The queries that services ask each other. The gateway asks all."""

API = "$JS.API"
ALSO_PUBLISHES = {
    "gateway": ("cmd.>", "qry.>", "ingest.>"),
    # proof that a mail was sent may still wait in INGEST; the restore guard reads delivery's own last event
    "delivery": (f"{API}.STREAM.INFO.INGEST", f"{API}.DIRECT.GET.EVENTS.evt.delivery.>"),
}
OPERATOR_PUBLISHES = (
    "cmd.>",
    "evt.>",
    "qry.>",
    f"{API}.INFO",
    *(f"{API}.STREAM.{call}" for call in ("CREATE.*", "UPDATE.*", "INFO.*", "NAMES", "LIST", "MSG.GET.*")),
    f"{API}.STREAM.MSG.DELETE.DEAD",
    f"{API}.DIRECT.GET.>",
    *(f"{API}.CONSUMER.{call}.>" for call in ("CREATE", "DURABLE.CREATE", "INFO", "LIST", "NAMES")),
    f"{API}.CONSUMER.MSG.NEXT.EVENTS.>",
)
"""The operator can neither purge nor delete a stream."""

AUTHORIZATION_SECONDS = 10
"""Time that a client has to log in. The server's two seconds are short for a process that starts on a busy machine."""


class User(msgspec.Struct, frozen=True):
    """A user of the bus, with the subjects that it may publish on and subscribe to."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def users() -> list[User]:
    """Return every user of a deployment."""
    operator = User(OPERATOR, OPERATOR_PUBLISHES, (f"{inbox_prefix(OPERATOR)}.>",))
    return [*map(_service, SERVICES), operator]


def generate_passwords(names: Iterable[str]) -> dict[str, str]:
    return {name: secrets.token_hex(32) for name in names}


def render(passwords: Mapping[str, str], unrestricted: Iterable[str] = ()) -> str:
    """Return the `authorization` block of NATS' configuration. `unrestricted` names more users, who may do anything."""
    entries = [_restricted(user, passwords[user.name]) for user in users()]
    entries += [f"{{ {_login(name, passwords[name])} }}" for name in unrestricted]
    lines = "\n".join(f"    {entry}" for entry in entries)
    return f"authorization {{\n  timeout: {AUTHORIZATION_SECONDS}\n  users: [\n{lines}\n  ]\n}}\n"


def _service(name: str) -> User:
    consumers = [(stream, f"{name}-{kind}") for kind, stream in STREAM_OF.items()]
    publish = (
        f"evt.{name}.>",
        *(f"dead.{name}-{kind}" for kind in (*STREAM_OF, "timers")),
        *(f"{API}.CONSUMER.MSG.NEXT.{stream}.{consumer}" for stream, consumer in consumers),
        *(f"$JS.ACK.{stream}.{consumer}.>" for stream, consumer in consumers),
        *QUERIES.get(name, ()),
        *ALSO_PUBLISHES.get(name, ()),
        *(f"{inbox_prefix(asker)}.>" for asker in _askers_of(name)),
    )
    return User(name, publish, (f"qry.{name}.>", f"{inbox_prefix(name)}.>"))


def _askers_of(service: str) -> list[str]:
    """Return the users who send this service commands or queries, and receive its replies."""
    services = [name for name, asked in QUERIES.items() if any(query.startswith(f"qry.{service}.") for query in asked)]
    return ["gateway", OPERATOR, *services]


def _restricted(user: User, password: str) -> str:
    rights = ", ".join(f"{verb}: {{ allow: {json.dumps(getattr(user, verb))} }}" for verb in ("publish", "subscribe"))
    return f"{{ {_login(user.name, password)}, permissions: {{ {rights} }} }}"


def _login(name: str, password: str) -> str:
    return f"user: {json.dumps(name)}, password: {json.dumps(password)}"
