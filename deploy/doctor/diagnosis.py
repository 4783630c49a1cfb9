"""The result of one check: what was examined, its state, and how to fix it."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "warning", "problem"]


class Diagnosis(msgspec.Struct, frozen=True):
    """The result of one check. `todo` says how to fix it, and is empty if nothing is wrong."""

    check: str
    verdict: Verdict
    found: str
    todo: str = ""


def ok(check: str, found: str) -> Diagnosis:
    return Diagnosis(check, "ok", found)


def warning(check: str, found: str, todo: str) -> Diagnosis:
    return Diagnosis(check, "warning", found, todo)


def problem(check: str, found: str, todo: str) -> Diagnosis:
    return Diagnosis(check, "problem", found, todo)
