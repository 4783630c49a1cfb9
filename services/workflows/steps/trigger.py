"""The TRIGGER step, where every execution starts. Pure."""

from typing import ClassVar

from libs.kernel.instants import iso
from libs.schemas.workflows import StepType
from services.workflows.steps.step_config import StepConfig, StepResult, StepVisit


class TriggerStep(StepConfig, frozen=True):
    """Passes the execution on. Its event is that of the workflow."""

    TYPE: ClassVar[StepType] = "TRIGGER"

    def reach(self, visit: StepVisit) -> StepResult:
        return StepResult(output={"triggered": True, "eventName": visit.trigger_event, "timestamp": iso(visit.now)})
