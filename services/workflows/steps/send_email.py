"""The SEND_EMAIL step. Pure."""

from typing import Annotated, ClassVar, Self
from uuid import UUID

import msgspec

from libs.kernel.instants import iso
from libs.runtime.clock import uuid5
from libs.schemas.workflows import EmailRequested, Step, StepEvent, StepType
from services.workflows.steps.step_config import STAY, StepConfig, StepResult, StepVisit


class ContactRecipient(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="CONTACT"):
    """The contact of the execution."""


class CustomRecipient(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="CUSTOM"):
    """A fixed address, the same for every contact."""

    custom_email: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$")]


class SendEmailStep(StepConfig, frozen=True, rename="camel"):
    """Sends a template. The step's own `templateId` takes precedence over the one in its config."""

    TYPE: ClassVar[StepType] = "SEND_EMAIL"
    NEEDS_ADDRESS: ClassVar[bool] = True
    EVENTS: ClassVar[tuple[type[StepEvent], ...]] = (EmailRequested,)

    template_id: UUID
    recipient: ContactRecipient | CustomRecipient = ContactRecipient()

    @classmethod
    def parse(cls, step: Step) -> Self:
        own = {"templateId": step.template_id} if step.template_id else {}
        return msgspec.convert({**step.config, **own}, cls)

    def reach(self, visit: StepVisit) -> StepResult:
        custom = self.recipient.custom_email if isinstance(self.recipient, CustomRecipient) else None
        address = custom or visit.email
        if not address:
            return STAY
        # the same for the same execution and step, so that delivery queues the mail once
        email_id = uuid5(visit.execution_id, str(visit.step.id))
        requested = EmailRequested(
            **visit.ids,
            email_id=email_id,
            template_id=self.template_id,
            email=address,
            context=visit.context,
            trusted=visit.trusted,
        )
        output = {
            "emailId": str(email_id),
            "queuedAt": iso(visit.now),
            "recipientType": "CUSTOM" if custom else "CONTACT",
            "recipientEmail": address,
        }
        return StepResult(events=(requested,), output=output)
