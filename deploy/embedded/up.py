"""`godwit up`: start everything, report when it is ready, keep it running, stop it all."""

from collections.abc import Mapping
from pathlib import Path

from deploy.embedded import endpoints, keys, passwords, postgres, preload, stack
from deploy.embedded.errors import CannotStart
from deploy.embedded.journal import Journal, print_error
from deploy.embedded.layout import Layout
from deploy.embedded.lock import exclusive
from deploy.embedded.ports import free_ports, require_free
from deploy.embedded.settings import Settings, load
from deploy.embedded.stack import Ports, Programs
from deploy.embedded.supervisor import Stopped, Supervisor

GODWIT = Programs()


def up(programs: Programs = GODWIT) -> int:
    """Run the stack until it is told to stop. Return 0 after a clean stop, 1 if it could not start."""
    try:
        settings = load()
        layout = Layout.create(Path(settings.data_dir))
        with exclusive(layout):
            require_free(settings.http_port, "GODWIT_HTTP_PORT", settings.host)
            require_free(settings.sandbox_port, "GODWIT_SANDBOX_PORT")
            for name, port in settings.relay_ports.items():
                require_free(port, name, settings.host)
            try:
                supervise(settings, layout, programs)
            finally:
                postgres.remove_socket_dir(layout)
    except CannotStart as error:
        print_error(str(error))
        return 1
    except Stopped:
        return 0
    return 0


def supervise(settings: Settings, layout: Layout, programs: Programs) -> None:
    journal = Journal(layout)
    ports = choose_ports(settings)
    known = passwords.obtain(layout)
    with Supervisor(layout, journal) as supervisor:
        supervisor.start(stack.servers(settings, layout, ports, programs))
        preload.load(programs.modules, meanwhile=supervisor.run_once)
        secrets, new_keys = keys.obtain(layout, settings.handed_on)
        show_line(new_keys, layout, journal)
        supervisor.await_ready()
        supervisor.start([stack.setup(layout, ports, programs, known)])
        supervisor.await_ready()
        supervisor.start(stack.services(settings, layout, ports, programs, secrets, known))
        supervisor.await_ready()
        endpoints.record(settings, layout, ports, known)
        journal.log_line(f"sent mail {settings.sandbox_url}/   API {settings.url}/docs")
        journal.print(f"godwit ready {settings.url}")
        supervisor.run()


def choose_ports(settings: Settings) -> Ports:
    names = [f"{service}-{n}" for service, n in settings.instances]
    client, monitor, *health = free_ports(2 + len(names), besides=settings.ports.values())
    return Ports(nats=client, nats_monitor=monitor, health=dict(zip(names, health, strict=True)))


def show_line(new_keys: Mapping[str, str], layout: Layout, journal: Journal) -> None:
    for name, key in new_keys.items():
        kind = "public key" if "PUBLIC" in name else "secret key"
        journal.show_line(f"{kind} of the first project: {key}   (shown once, kept in {layout.secrets})")
