"""Who may send next: tokens are shared by lane, and within a lane by project. Pure.

Transactional mail goes first, then workflows, then campaigns; but those that are later in line always get a tenth, so
that nothing starves. Within a lane every project gets the same share, and what one does not need goes to the others: a
project that queues a million mails does not delay another's ten.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

TRANSACTIONAL, WORKFLOW, CAMPAIGN = 0, 1, 2
FLOOR = 10
"""One token in this many is kept for the later lanes."""


class Waiting(msgspec.Struct, frozen=True):
    """That many mails of a project are due in a lane."""

    lane: int
    project: UUID
    count: int


class Share(msgspec.Struct, frozen=True):
    lane: int
    project: UUID
    quota: int


def allot(waiting: Sequence[Waiting], tokens: int, bulk: int, turn: int) -> list[Share]:
    """Who gets how many of the tokens; at most `bulk` for workflows and campaigns together.

    `turn` moves by one each time, so that when there are fewer tokens than projects, all get their turn.
    """
    by_lane = {lane: {w.project: w.count for w in waiting if w.lane == lane} for lane in (0, 1, 2)}
    return [
        Share(lane, project, quota)
        for lane, granted in _by_lane(by_lane, tokens, bulk, turn).items()
        for project, quota in fair(by_lane[lane], granted, turn).items()
        if quota
    ]


def _by_lane(by_lane: Mapping[int, Mapping[UUID, int]], tokens: int, bulk: int, turn: int) -> dict[int, int]:
    wanted = {lane: sum(projects.values()) for lane, projects in by_lane.items()}
    wanted_by_bulk = min(max(0, bulk), wanted[WORKFLOW] + wanted[CAMPAIGN])
    transactional = min(wanted[TRANSACTIONAL], tokens - min(wanted_by_bulk, _floor(tokens, turn)))
    for_bulk = min(wanted_by_bulk, tokens - transactional)
    workflow = min(wanted[WORKFLOW], for_bulk - min(wanted[CAMPAIGN], _floor(for_bulk, turn // FLOOR)))
    campaign = min(wanted[CAMPAIGN], for_bulk - workflow)
    return {TRANSACTIONAL: transactional, WORKFLOW: workflow, CAMPAIGN: campaign}


def _floor(tokens: int, turn: int) -> int:
    """The part of the tokens that the first in line cannot take: of a single token every tenth."""
    return -(-tokens // FLOOR) if tokens > 1 else int(turn % FLOOR == 0) * tokens


def fair(wanted: Mapping[UUID, int], tokens: int, turn: int) -> dict[UUID, int]:
    """Equal parts, none more than wanted, and what is left over again in equal parts."""
    quotas = dict.fromkeys(_in_turn(sorted(wanted), turn), 0)
    while tokens and (hungry := [project for project in quotas if quotas[project] < wanted[project]]):
        part = max(1, tokens // len(hungry))
        for project in hungry:
            more = min(part, wanted[project] - quotas[project], tokens)
            quotas[project] += more
            tokens -= more
    return quotas


def _in_turn(projects: Sequence[UUID], turn: int) -> list[UUID]:
    start = turn % len(projects) if projects else 0
    return [*projects[start:], *projects[:start]]
