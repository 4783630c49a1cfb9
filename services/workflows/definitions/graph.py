"""A workflow's steps and the transitions between them. Pure."""

from uuid import UUID

import msgspec

from libs.schemas.workflows import Step, Transition


class Graph(msgspec.Struct, frozen=True):
    """Steps and transitions in the order in which they were added; the TRIGGER step comes first."""

    steps: tuple[Step, ...] = ()
    transitions: tuple[Transition, ...] = ()

    def step(self, step_id: UUID | None) -> Step | None:
        return next((step for step in self.steps if step.id == step_id), None)

    def ways_from(self, step_id: UUID) -> list[Transition]:
        """By priority, and among equals the oldest first."""
        ways = [transition for transition in self.transitions if transition.from_step_id == step_id]
        return sorted(ways, key=lambda way: way.priority)

    def next_after(self, step_id: UUID, branch: str | None = None) -> UUID | None:
        """Where the way of this branch leads, else the way without a condition; None where the workflow ends."""
        ways = self.ways_from(step_id)
        named = [way for way in ways if way.condition and way.condition.branch == branch]
        plain = [way for way in ways if way.condition is None]
        return next((way.to_step_id for way in [*named, *plain]), None)

    def last_leaf(self) -> Step | None:
        """The newest step that leads nowhere but could."""
        leaving = {transition.from_step_id for transition in self.transitions}
        leaves = [step for step in self.steps if step.id not in leaving and step.type_ != "EXIT"]
        return leaves[-1] if leaves else None

    def leads_to(self, start: UUID, goal: UUID) -> bool:
        """Is there a way from one step to the other? A step leads to itself."""
        seen: set[UUID] = set()
        ahead = [start]
        while ahead:
            step_id = ahead.pop()
            if step_id == goal:
                return True
            if step_id not in seen:
                seen.add(step_id)
                ahead += [way.to_step_id for way in self.transitions if way.from_step_id == step_id]
        return False
