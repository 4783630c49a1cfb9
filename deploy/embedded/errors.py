"""Errors for the person at the terminal: why the stack could not start."""

from pathlib import Path

FATAL_MARKS = ("FATAL", "PANIC", "[FTL]")


class CannotStart(Exception):
    """Raised when the stack cannot start, with one line that says what is wrong and how to fix it."""


def last_error_line(log: Path, since: int = 0) -> str:
    """Return the last fatal line of a program's log after `since` bytes, else its last line, and the log's path."""
    try:
        text = log.read_bytes()
    except FileNotFoundError:
        text = b""
    lines = [line for line in text[since:].decode(errors="replace").splitlines() if line.strip()]
    fatal = [line for line in lines if any(mark in line for mark in FATAL_MARKS)]
    return f"{(fatal or lines or ['no output'])[-1].strip()} (more in {log})"
