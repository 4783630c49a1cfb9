"""`godwit` as a command line."""

import re

import pytest

from deploy import cli
from deploy.commands import Failed
from deploy.services import SERVICES


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(["--help"])
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    for name in ("up", "sandbox", *SERVICES, *(name for name, _ in cli.command_modules())):
        assert re.search(rf"\n    {name}\s", shown), name


@pytest.mark.parametrize("command", [name for name, _ in cli.command_modules() if name != "sandbox"])
def test_every_command_has_a_help_text(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main([command, "--help"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: godwit {command}")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["up", "--fast"]])
def test_wrong_usage_is_reported_and_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(arguments)
    assert leaving.value.code == 2
    assert "godwit: error:" in capsys.readouterr().err


@pytest.mark.parametrize("error", [Failed("no such message: 17"), ConnectionRefusedError(111, "Connection refused")])
def test_an_expected_failure_prints_one_line_and_exits_with_1(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(cli, "run_service", fail)
    assert cli.main(["contacts"]) == 1
    assert capsys.readouterr().err == f"godwit: {error}\n"


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> int:
        raise KeyError("a bug")

    monkeypatch.setattr(cli, "run_service", stumble)
    with pytest.raises(KeyError):
        cli.main(["contacts"])
