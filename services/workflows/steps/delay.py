"""The DELAY step. Pure."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

import msgspec

from libs.kernel.conditions.language import SECONDS
from libs.kernel.instants import iso
from libs.schemas.base import FieldError
from libs.schemas.workflows import DelayStarted, StepEvent, StepType
from services.workflows.steps.step_config import STAY, StepConfig, StepResult, StepVisit

MAX_SECONDS = 365 * SECONDS["days"]


class DelayStep(StepConfig, frozen=True):
    """Holds the execution for some time, at most 365 days."""

    TYPE: ClassVar[StepType] = "DELAY"
    EVENTS: ClassVar[tuple[type[StepEvent], ...]] = (DelayStarted,)

    amount: Annotated[float, msgspec.Meta(gt=0)]
    unit: Literal["minutes", "hours", "days"]

    @property
    def seconds(self) -> float:
        return self.amount * SECONDS[self.unit]

    def errors(self) -> list[FieldError]:
        if self.seconds > MAX_SECONDS:
            return [FieldError(field="amount", message="A delay must not exceed 365 days", code="too_big")]
        return []

    def reach(self, visit: StepVisit) -> StepResult:
        if visit.until is None:
            return StepResult(events=(DelayStarted(**visit.ids, until=visit.now + timedelta(seconds=self.seconds)),))
        if visit.now < visit.until:
            return STAY
        return StepResult(
            output={"delayAmount": self.amount, "delayUnit": self.unit, "resumeAt": iso(visit.until)},
        )
