"""A workflow's steps and the transitions between them. Pure."""

from uuid import UUID

import msgspec

from libs.schemas.workflows import Step, Transition
from services.workflows.steps.registry import STEP_TYPES


class Graph(msgspec.Struct, frozen=True):
    """Steps and transitions in the order in which they were added, the TRIGGER step first."""

    steps: tuple[Step, ...] = ()
    transitions: tuple[Transition, ...] = ()

    def step(self, step_id: UUID | None) -> Step | None:
        return next((step for step in self.steps if step.id == step_id), None)

    def transitions_from(self, step_id: UUID) -> list[Transition]:
        """Return the transitions that start at the step, by priority and then by age, the oldest first."""
        found = [transition for transition in self.transitions if transition.from_step_id == step_id]
        return sorted(found, key=lambda transition: transition.priority)

    def next_after(self, step_id: UUID, branch: str | None = None) -> UUID | None:
        """Return the step that follows, or None if the workflow ends here.

        A transition for the branch goes before one without a condition.
        """
        transitions = self.transitions_from(step_id)
        for_branch = [each for each in transitions if each.condition and each.condition.branch == branch]
        unconditional = [each for each in transitions if each.condition is None]
        return next((each.to_step_id for each in [*for_branch, *unconditional]), None)

    def last_leaf(self) -> Step | None:
        """Return the newest step that no transition starts at but that one could start at."""
        connected = {transition.from_step_id for transition in self.transitions}
        leaves = [step for step in self.steps if step.id not in connected and not STEP_TYPES[step.type_].FINAL]
        return leaves[-1] if leaves else None

    def needs_address_from(self, step_id: UUID) -> bool:
        """Return whether the step, or one that it leads to, may need the contact's address."""
        needing = [step.id for step in self.steps if STEP_TYPES[step.type_].NEEDS_ADDRESS]
        return any(self.leads_to(step_id, each) for each in needing)

    def leads_to(self, start: UUID, goal: UUID) -> bool:
        """Return whether transitions lead from one step to the other. A step leads to itself."""
        seen: set[UUID] = set()
        pending = [start]
        while pending:
            step_id = pending.pop()
            if step_id == goal:
                return True
            if step_id not in seen:
                seen.add(step_id)
                pending += [each.to_step_id for each in self.transitions if each.from_step_id == step_id]
        return False
