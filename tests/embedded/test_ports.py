"""The ports of parts that nobody gave one."""

import pytest

from deploy.embedded import ports
from deploy.embedded.ports import PORT_RANGE, free_ports
from deploy.embedded.settings import load
from deploy.embedded.up import choose_ports


def test_no_part_gets_a_port_that_is_meant_for_another() -> None:
    allowed = set(free_ports(20))
    assert set(free_ports(5, besides=set(PORT_RANGE) - allowed)) < allowed


def all_free(some: range) -> bool:
    return all(ports.listening_error(port) is None for port in some)


def test_parts_of_a_stack_leave_the_ports_alone_that_its_users_know(monkeypatch: pytest.MonkeyPatch) -> None:
    few = next(twelve for start in PORT_RANGE[::12] if all_free(twelve := range(start, start + 12)))
    monkeypatch.setattr(ports, "PORT_RANGE", few)
    names = ("GODWIT_HTTP_PORT", "GODWIT_SANDBOX_PORT", "GODWIT_SMTP_PORT", "GODWIT_SMTPS_PORT")
    settings = load({name: str(port) for name, port in zip(names, few, strict=False)})
    chosen = choose_ports(settings)
    assert {chosen.nats, chosen.nats_monitor, *chosen.health.values()} == set(few[4:])
