"""The types of steps and what each is configured with. Pure."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec

from libs.kernel.conditions.language import SECONDS
from libs.kernel.field_errors import field_error
from libs.kernel.rejection import invalid, invalid_fields
from libs.schemas.base import FieldError
from libs.schemas.workflows import Step
from services.workflows.steps.condition import Question, flaws, question_of

MAX_DELAY_SECONDS = 365 * SECONDS["days"]


class Trigger(msgspec.Struct, frozen=True):
    """Where every execution begins."""


class Recipient(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="CONTACT"):
    """The contact."""


class CustomRecipient(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="CUSTOM"):
    """An address of its own, whoever the contact is."""

    custom_email: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$")]


class SendEmail(msgspec.Struct, frozen=True, rename="camel"):
    """Mails a template. The step's own `templateId` wins over the config's."""

    template_id: UUID
    recipient: Recipient | CustomRecipient = Recipient()


class Delay(msgspec.Struct, frozen=True):
    """Waits; at most 365 days."""

    amount: Annotated[float, msgspec.Meta(gt=0)]
    unit: Literal["minutes", "hours", "days"]

    @property
    def seconds(self) -> float:
        return self.amount * SECONDS[self.unit]


class Exit(msgspec.Struct, frozen=True):
    """Ends the execution."""

    reason: str = "exit_step"


Work: TypeAlias = Trigger | SendEmail | Delay | Question | Exit


def work_of(step: Step) -> Work:
    """What the step does. Raises Rejected with the paths of what is wrong in its config."""
    try:
        work = _work_of(step)
    except msgspec.ValidationError as error:
        raise invalid_fields([field_error("config", str(error), "invalid_type")]) from error
    except RecursionError as error:
        raise invalid("config", "Config is nested too deeply", "too_big") from error
    if errors := _errors(work):
        raise invalid_fields(errors)
    return work


def _work_of(step: Step) -> Work:
    match step.type_:
        case "TRIGGER":
            return Trigger()
        case "SEND_EMAIL":
            own = {"templateId": step.template_id} if step.template_id else {}
            return msgspec.convert({**step.config, **own}, SendEmail)
        case "DELAY":
            return msgspec.convert(step.config, Delay)
        case "CONDITION":
            return question_of(step.config)
        case "EXIT":
            return msgspec.convert(step.config, Exit)


def _errors(work: Work) -> list[FieldError]:
    match work:
        case Delay(seconds=seconds) if seconds > MAX_DELAY_SECONDS:
            return [FieldError(field="config.amount", message="A delay is at most 365 days", code="too_big")]
        case Question():
            return [msgspec.structs.replace(flaw, field=_within_config(flaw.field)) for flaw in flaws(work)]
    return []


def _within_config(path: str) -> str:
    return f"config.{path}" if path else "config"
