"""What a step type provides: its config, and what a step of it does when an execution reaches it. Pure."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ClassVar, Self
from uuid import UUID

import msgspec

from libs.schemas.base import Data, FieldError
from libs.schemas.contacts.contacts import Condition
from libs.schemas.workflows import Step, StepEvent, StepType

MatchContact = Callable[[Condition], Awaitable[bool]]
"""Asks contacts whether the contact matches a condition."""


class StepVisit(msgspec.Struct, frozen=True, kw_only=True):
    """An execution at one of its steps.

    - `email` is the contact's address, None while it has not been looked up;
    - `context` is the data of the event that started the execution, `trigger_event` its name; anybody may have written
      a context that is not `trusted`;
    - `until` is the end of the delay that the step has started, None if it has not;
    - `branch` is the branch that was chosen for a branching step, None while it has not been.
    """

    execution_id: UUID
    workflow_id: UUID
    contact_id: UUID
    step: Step
    now: datetime
    trigger_event: str
    context: Data
    trusted: bool = True
    email: str | None = None
    until: datetime | None = None
    branch: str | None = None

    @property
    def ids(self) -> dict[str, UUID]:
        """The fields that every event of a step has."""
        return {
            "execution_id": self.execution_id,
            "workflow_id": self.workflow_id,
            "contact_id": self.contact_id,
            "step_id": self.step.id,
        }


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a step does with an execution that has reached it.

    `events` are of the step type's own kinds. If there is an `output`, the step is completed: the execution goes on by
    `branch`, or ends with `exit_reason`. Without an output it stays at the step, and `reach` is called again later.
    """

    events: tuple[StepEvent, ...] = ()
    output: Data | None = None
    branch: str | None = None
    exit_reason: str | None = None


STAY = StepResult()
"""The execution waits at the step, for its time or for a look-up."""


class StepConfig(msgspec.Struct, frozen=True):
    """What a step is configured with. Each subclass with a `TYPE` is a step type.

    `EVENTS` are the events that `reach` may return. An execution ends at a step of a `FINAL` type, so no transition
    leaves it. A type that `NEEDS_ADDRESS` may need the contact's address.
    """

    TYPE: ClassVar[StepType]
    EVENTS: ClassVar[tuple[type[StepEvent], ...]] = ()
    FINAL: ClassVar[bool] = False
    NEEDS_ADDRESS: ClassVar[bool] = False

    @classmethod
    def parse(cls, step: Step) -> Self:
        """Read the step's config. Raise msgspec.ValidationError if it does not have the form of this type."""
        return msgspec.convert(step.config, cls)

    def errors(self) -> list[FieldError]:
        """Return what is wrong with the config beyond its form; `field` is the path within the config."""
        return []

    @abstractmethod
    def reach(self, visit: StepVisit) -> StepResult:
        """Return what the step does. Calling it again in the same state must return the same."""


class BranchingStep(StepConfig, frozen=True):
    """A step that executions leave by one of several branches."""

    @abstractmethod
    def branch_names(self) -> set[str]:
        """Return the branches that transitions from the step may name."""

    @abstractmethod
    async def choose_branch(self, context: Data, now: datetime, match: MatchContact) -> str:
        """Return the branch that an execution with this context takes. It is given to `reach` as `visit.branch`."""
