"""The one log of many processes."""

import os
from pathlib import Path

import pytest

from deploy.embedded.journal import BACKLOG, Journal
from deploy.embedded.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "data")


def test_every_line_names_its_process(layout: Layout, tmp_path: Path) -> None:
    with (tmp_path / "terminal").open("wb+", buffering=0) as terminal:
        journal = Journal(layout, terminal.fileno())
        journal.write_output("contacts-1", b"one\ntwo\nand a ha")
        journal.write_output("delivery-1", b"three\n")
        journal.write_output("contacts-1", b"lf\n")
        journal.write_output("contacts-1", b"last words")
        journal.end_of_output("contacts-1")
        journal.print("godwit ready http://127.0.0.1:8000")
        terminal.seek(0)
        assert terminal.read().decode().splitlines() == [
            "contacts-1   | one",
            "contacts-1   | two",
            "delivery-1   | three",
            "contacts-1   | and a half",
            "contacts-1   | last words",
            "godwit ready http://127.0.0.1:8000",
        ]
    assert layout.log_file("contacts-1").read_text() == "one\ntwo\nand a half\nlast words\n"


def test_lines_that_are_only_shown_are_in_no_file(layout: Layout, tmp_path: Path) -> None:
    with (tmp_path / "terminal").open("wb+", buffering=0) as terminal:
        Journal(layout, terminal.fileno()).show_line("sk_secret")
        terminal.seek(0)
        assert b"sk_secret" in terminal.read()
    assert not any("sk_secret" in file.read_text() for file in layout.logs.iterdir())


def test_a_blocked_reader_holds_nobody_up_and_learns_how_many_lines_were_dropped(layout: Layout) -> None:
    reading, writing = os.pipe()
    journal = Journal(layout, writing)
    for n in range(2 * BACKLOG):
        journal.write_output("contacts-1", b"line %d\n" % n)
    received = bytearray()
    while journal.terminal.has_backlog:
        received += os.read(reading, 1 << 16)
        journal.terminal.flush()
    journal.write_output("contacts-1", b"and on\n")
    received += os.read(reading, 1 << 16)
    lines = received.decode().splitlines()
    shown = len(lines) - 2
    assert lines[0] == "contacts-1   | line 0"
    assert lines[-2:] == [f"... {2 * BACKLOG - shown} lines dropped: see the log files", "contacts-1   | and on"]
    assert len(layout.log_file("contacts-1").read_text().splitlines()) == 2 * BACKLOG + 1


def test_a_reader_that_has_gone_holds_nobody_up(layout: Layout) -> None:
    reading, writing = os.pipe()
    journal = Journal(layout, writing)
    os.close(reading)
    journal.write_output("contacts-1", b"anyone?\n" * 10)
    assert not journal.terminal.has_backlog
    assert layout.log_file("contacts-1").read_text() == "anyone?\n" * 10


def test_a_log_file_is_bounded(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.embedded.journal.FILE_LIMIT", 1000)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 -- a device
        journal = Journal(layout, nowhere.fileno())
        for _ in range(1000):
            journal.write_output("contacts-1", b"a line of 20 letters\n")
    assert sum(file.stat().st_size for file in layout.logs.iterdir()) < 2200
