"""The EXIT step. Pure."""

from typing import ClassVar

from libs.schemas.workflows import StepType
from services.workflows.steps.step_config import StepConfig, StepResult, StepVisit


class ExitStep(StepConfig, frozen=True):
    """Ends the execution with a reason."""

    TYPE: ClassVar[StepType] = "EXIT"
    FINAL: ClassVar[bool] = True

    reason: str = "exit_step"

    def reach(self, visit: StepVisit) -> StepResult:
        return StepResult(output={"exited": True, "reason": self.reason}, exit_reason=self.reason)
