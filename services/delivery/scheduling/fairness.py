"""Shares the permits to send: among lanes, within a lane among projects, within a project among partitions. Pure.

Transactional mail goes first, then workflows, then campaigns, but later lanes always get a tenth, so that nothing
starves. Within a lane every project gets an equal share, and what one does not need goes to the others: a project that
queues a million mails does not delay another's ten. A project's mails to a recipient domain that it limits have a queue
partition of their own, and its partitions get equal shares, too.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

import msgspec

TRANSACTIONAL, WORKFLOW, CAMPAIGN = 0, 1, 2
FLOOR = 10
"""One permit in this many is kept for the later lanes."""

WHOLE = ""
"""The partition of all mails to domains without a limit; as the key of an allowance, the whole project."""

PartitionKey = tuple[UUID, str]
"""A project and one of its queue partitions."""

W = TypeVar("W", bound=Hashable)


class DueMails(msgspec.Struct, frozen=True):
    """The number of due mails in one partition of a lane; the project of a `limited` one has sending limits."""

    lane: int
    project: UUID
    count: int
    partition: str = WHOLE
    limited: bool = False


class Share(msgspec.Struct, frozen=True):
    lane: int
    project: UUID
    quota: int
    partition: str = WHOLE


def allot(due: Sequence[DueMails], permits: int, bulk: int, turn: int) -> list[Share]:
    """Return each partition's share of the permits, with at most `bulk` for workflows and campaigns together.

    `turn` must grow by one each time, so that every project gets its turn even with fewer permits than projects.
    """
    by_lane = {lane: _by_project(due, lane) for lane in (TRANSACTIONAL, WORKFLOW, CAMPAIGN)}
    wanted = {lane: sum(_totals(projects).values()) for lane, projects in by_lane.items()}
    return [
        Share(lane, project, quota, partition)
        for lane, granted in _by_lane(wanted, permits, bulk, turn).items()
        for project, part in fair(_totals(by_lane[lane]), granted, turn).items()
        for partition, quota in fair(by_lane[lane][project], part, turn).items()
        if quota
    ]


def within(wanted: Sequence[tuple[PartitionKey, int]], tokens: Mapping[PartitionKey, float]) -> list[int]:
    """Return how many of each wanted number the tokens of its project and its partition allow, in the given order.

    A key without tokens is not limited.
    """
    left = dict(tokens)
    granted = []
    for (project, partition), count in wanted:
        limits = [key for key in {(project, WHOLE), (project, partition)} if key in left]
        granted.append(max(0, min([count, *(math.floor(left[key]) for key in limits)])))
        for key in limits:
            left[key] -= granted[-1]
    return granted


def _by_project(due: Sequence[DueMails], lane: int) -> dict[UUID, dict[str, int]]:
    partitions: dict[UUID, dict[str, int]] = {}
    for each in due:
        if each.lane == lane:
            partitions.setdefault(each.project, {})[each.partition] = each.count
    return partitions


def _totals(projects: Mapping[UUID, Mapping[str, int]]) -> dict[UUID, int]:
    return {project: sum(partitions.values()) for project, partitions in projects.items()}


def _by_lane(wanted: Mapping[int, int], permits: int, bulk: int, turn: int) -> dict[int, int]:
    wanted_by_bulk = min(max(0, bulk), wanted[WORKFLOW] + wanted[CAMPAIGN])
    transactional = min(wanted[TRANSACTIONAL], permits - min(wanted_by_bulk, _floor(permits, turn)))
    for_bulk = min(wanted_by_bulk, permits - transactional)
    workflow = min(wanted[WORKFLOW], for_bulk - min(wanted[CAMPAIGN], _floor(for_bulk, turn // FLOOR)))
    campaign = min(wanted[CAMPAIGN], for_bulk - workflow)
    return {TRANSACTIONAL: transactional, WORKFLOW: workflow, CAMPAIGN: campaign}


def _floor(permits: int, turn: int) -> int:
    """Return the permits that the first lane must leave: a tenth, exactly so over ten turns."""
    place = turn % FLOOR
    return (place + 1) * permits // FLOOR - place * permits // FLOOR


def fair(wanted: Mapping[W, int], permits: int, turn: int) -> dict[W, int]:
    """Return equal parts of the permits, none larger than wanted; what is left over is shared equally again."""
    quotas = dict.fromkeys(_in_turn(sorted(wanted, key=str), turn), 0)
    while permits and (unsatisfied := [project for project in quotas if quotas[project] < wanted[project]]):
        part = max(1, permits // len(unsatisfied))
        for project in unsatisfied:
            more = min(part, wanted[project] - quotas[project], permits)
            quotas[project] += more
            permits -= more
    return quotas


def _in_turn(keys: Sequence[W], turn: int) -> list[W]:
    start = turn % len(keys) if keys else 0
    return [*keys[start:], *keys[:start]]
