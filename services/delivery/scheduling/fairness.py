"""Who may send next: tokens are shared by lane, and within a lane by project. Pure.

Transactional mail goes first, then workflows, then campaigns; but those that are later in line always get a tenth, so
that nothing starves. Within a lane every project gets the same share, and what one does not need goes to the others: a
project that queues a million mails does not delay another's ten. A project's mails to a recipient domain that it limits
stand in a line of their own, and its lines get the same share, too.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

import msgspec

TRANSACTIONAL, WORKFLOW, CAMPAIGN = 0, 1, 2
FLOOR = 10
"""One token in this many is kept for the later lanes."""


WHOLE = ""
"""The line of all mails that are in no other; in an allowance, the whole project."""

Key = tuple[UUID, str]
"""A project, and one of its lines."""

W = TypeVar("W", bound=Hashable)


class Waiting(msgspec.Struct, frozen=True):
    """That many mails of a project are due in a lane, in one line of it. A `limited` one has limits of its own."""

    lane: int
    project: UUID
    count: int
    line: str = WHOLE
    limited: bool = False


class Share(msgspec.Struct, frozen=True):
    lane: int
    project: UUID
    quota: int
    line: str = WHOLE


def allot(waiting: Sequence[Waiting], tokens: int, bulk: int, turn: int) -> list[Share]:
    """Who gets how many of the tokens; at most `bulk` for workflows and campaigns together.

    `turn` moves by one each time, so that when there are fewer tokens than projects, all get their turn.
    """
    by_lane = {lane: _by_project(waiting, lane) for lane in (TRANSACTIONAL, WORKFLOW, CAMPAIGN)}
    wanted = {lane: sum(sum(lines.values()) for lines in projects.values()) for lane, projects in by_lane.items()}
    return [
        Share(lane, project, quota, line)
        for lane, granted in _by_lane(wanted, tokens, bulk, turn).items()
        for project, part in fair({p: sum(lines.values()) for p, lines in by_lane[lane].items()}, granted, turn).items()
        for line, quota in fair(by_lane[lane][project], part, turn).items()
        if quota
    ]


def within(wanted: Sequence[tuple[Key, int]], tokens: Mapping[Key, float]) -> list[int]:
    """How many of each are within what its project and its line are allowed, those named first before the others. What
    has no tokens named is not limited."""
    left = dict(tokens)
    granted = []
    for (project, line), count in wanted:
        limits = [key for key in {(project, WHOLE), (project, line)} if key in left]
        granted.append(max(0, min([count, *(math.floor(left[key]) for key in limits)])))
        for key in limits:
            left[key] -= granted[-1]
    return granted


def _by_project(waiting: Sequence[Waiting], lane: int) -> dict[UUID, dict[str, int]]:
    lines: dict[UUID, dict[str, int]] = {}
    for each in waiting:
        if each.lane == lane:
            lines.setdefault(each.project, {})[each.line] = each.count
    return lines


def _by_lane(wanted: Mapping[int, int], tokens: int, bulk: int, turn: int) -> dict[int, int]:
    wanted_by_bulk = min(max(0, bulk), wanted[WORKFLOW] + wanted[CAMPAIGN])
    transactional = min(wanted[TRANSACTIONAL], tokens - min(wanted_by_bulk, _floor(tokens, turn)))
    for_bulk = min(wanted_by_bulk, tokens - transactional)
    workflow = min(wanted[WORKFLOW], for_bulk - min(wanted[CAMPAIGN], _floor(for_bulk, turn // FLOOR)))
    campaign = min(wanted[CAMPAIGN], for_bulk - workflow)
    return {TRANSACTIONAL: transactional, WORKFLOW: workflow, CAMPAIGN: campaign}


def _floor(tokens: int, turn: int) -> int:
    """The part of the tokens that the first in line cannot take: a tenth, over ten turns to the token."""
    place = turn % FLOOR
    return (place + 1) * tokens // FLOOR - place * tokens // FLOOR


def fair(wanted: Mapping[W, int], tokens: int, turn: int) -> dict[W, int]:
    """Equal parts, none more than wanted, and what is left over again in equal parts."""
    quotas = dict.fromkeys(_in_turn(sorted(wanted, key=str), turn), 0)
    while tokens and (hungry := [project for project in quotas if quotas[project] < wanted[project]]):
        part = max(1, tokens // len(hungry))
        for project in hungry:
            more = min(part, wanted[project] - quotas[project], tokens)
            quotas[project] += more
            tokens -= more
    return quotas


def _in_turn(who: Sequence[W], turn: int) -> list[W]:
    start = turn % len(who) if who else 0
    return [*who[start:], *who[:start]]
