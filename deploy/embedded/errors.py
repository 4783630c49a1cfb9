"""Why the stack could not start, in words for the person at the terminal."""

from pathlib import Path

FATAL_MARKS = ("FATAL", "PANIC", "[FTL]")


class CannotStart(Exception):
    """One line that says what is wrong and what to do about it."""


def last_error_line(log: Path, since: int = 0) -> str:
    """The last fatal line of a program's log, or else its last line, after `since` bytes; with the place to read on."""
    try:
        text = log.read_bytes()
    except FileNotFoundError:
        text = b""
    lines = [line for line in text[since:].decode(errors="replace").splitlines() if line.strip()]
    fatal = [line for line in lines if any(mark in line for mark in FATAL_MARKS)]
    return f"{(fatal or lines or ['it said nothing'])[-1].strip()} (more in {log})"
