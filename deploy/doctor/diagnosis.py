"""What was looked at, how it is, and what to do."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "warning", "problem"]


class Diagnosis(msgspec.Struct, frozen=True):
    """`todo` is empty for what is as it should be."""

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
