"""The ports of parts without a setting."""

import socket
import subprocess
import sys
from itertools import islice

import pytest

from deploy.embedded import ports
from deploy.embedded.errors import CannotStart
from deploy.embedded.ports import LOOPBACK, PORT_RANGE, free_ports, listening_error
from deploy.embedded.settings import load
from deploy.embedded.up import choose_ports


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reservation:
        try:
            reservation.bind((LOOPBACK, port))
        except OSError:
            return False
    return listening_error(port) is None


def all_free(some: range) -> bool:
    return all(map(is_free, some))


def test_no_part_gets_a_port_reserved_for_another() -> None:
    allowed = set(islice(filter(is_free, PORT_RANGE), 20))
    assert set(free_ports(5, besides=set(PORT_RANGE) - allowed)) < allowed


def test_a_port_is_given_out_once_even_before_anyone_listens_on_it() -> None:
    """Nor to another process: two stacks may start at the same moment."""
    given = free_ports(3)
    with pytest.raises(CannotStart):
        free_ports(1, besides=set(PORT_RANGE) - set(given))
    asking = f"from deploy.embedded.ports import *; free_ports(1, besides=set(PORT_RANGE) - set({given}))"
    another = subprocess.run([sys.executable, "-c", asking], capture_output=True, text=True)
    assert "CannotStart: no 1 free ports" in another.stderr


def test_parts_of_a_stack_do_not_take_its_configured_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    few = next(twelve for start in PORT_RANGE[::12] if all_free(twelve := range(start, start + 12)))
    monkeypatch.setattr(ports, "PORT_RANGE", few)
    names = ("GODWIT_HTTP_PORT", "GODWIT_SANDBOX_PORT", "GODWIT_SMTP_PORT", "GODWIT_SMTPS_PORT")
    settings = load({name: str(port) for name, port in zip(names, few, strict=False)})
    chosen = choose_ports(settings)
    assert {chosen.nats, chosen.nats_monitor, *chosen.health.values()} == set(few[4:])
