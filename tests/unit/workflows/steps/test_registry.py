"""What steps may be configured with."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.schemas.workflows import Step, StepType
from services.workflows.steps.condition import Question
from services.workflows.steps.registry import (
    CustomRecipient,
    Delay,
    Exit,
    Recipient,
    SendEmail,
    Trigger,
    work_of,
)

TEMPLATE = uuid4()


def step(kind: StepType, config: dict[str, Any] | None = None, template_id: UUID | None = None) -> Step:
    return Step(id=uuid4(), type_=kind, name="step", config=config or {}, template_id=template_id)


@pytest.mark.parametrize(
    ("given", "work"),
    [
        (step("TRIGGER", {"eventName": "signup"}), Trigger()),
        (step("SEND_EMAIL", template_id=TEMPLATE), SendEmail(TEMPLATE)),
        (step("SEND_EMAIL", {"templateId": str(TEMPLATE)}), SendEmail(TEMPLATE)),
        (step("SEND_EMAIL", {"templateId": str(uuid4())}, TEMPLATE), SendEmail(TEMPLATE)),
        (step("SEND_EMAIL", {"recipient": {"type": "CONTACT"}}, TEMPLATE), SendEmail(TEMPLATE, Recipient())),
        (
            step("SEND_EMAIL", {"recipient": {"type": "CUSTOM", "customEmail": "boss@example.com"}}, TEMPLATE),
            SendEmail(TEMPLATE, CustomRecipient("boss@example.com")),
        ),
        (step("DELAY", {"amount": 1, "unit": "hours"}), Delay(1, "hours")),
        (step("DELAY", {"amount": 0.01, "unit": "minutes"}), Delay(0.01, "minutes")),
        (step("DELAY", {"amount": 365, "unit": "days"}), Delay(365, "days")),
        (step("EXIT"), Exit("exit_step")),
        (step("EXIT", {"reason": "not interested"}), Exit("not interested")),
    ],
)
def test_a_step_does_what_it_is_configured_to(given: Step, work: object) -> None:
    assert work_of(given) == work


def test_a_condition_is_a_question() -> None:
    assert isinstance(work_of(step("CONDITION", {"field": "data.plan", "operator": "exists"})), Question)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (step("SEND_EMAIL"), "config.templateId"),
        (step("SEND_EMAIL", {"templateId": "none"}), "config.templateId"),
        (step("SEND_EMAIL", {"recipient": {"type": "NOBODY"}}, TEMPLATE), "config.recipient.type"),
        (step("SEND_EMAIL", {"recipient": {"type": "CUSTOM"}}, TEMPLATE), "config.recipient.customEmail"),
        (
            step("SEND_EMAIL", {"recipient": {"type": "CUSTOM", "customEmail": "nobody"}}, TEMPLATE),
            "config.recipient.customEmail",
        ),
        (step("DELAY", {"unit": "days"}), "config.amount"),
        (step("DELAY", {"amount": 1}), "config.unit"),
        (step("DELAY", {"amount": 0, "unit": "days"}), "config.amount"),
        (step("DELAY", {"amount": -1, "unit": "days"}), "config.amount"),
        (step("DELAY", {"amount": "1", "unit": "days"}), "config.amount"),
        (step("DELAY", {"amount": True, "unit": "days"}), "config.amount"),
        (step("DELAY", {"amount": 1, "unit": "weeks"}), "config.unit"),
        (step("DELAY", {"amount": 366, "unit": "days"}), "config.amount"),
        (step("DELAY", {"amount": 365 * 24 + 0.1, "unit": "hours"}), "config.amount"),
        (step("EXIT", {"reason": 7}), "config.reason"),
        (step("CONDITION"), "config.field"),
        (step("CONDITION", {"field": "data.plan", "operator": "resembles"}), "config.operator"),
        (
            step("CONDITION", {"logic": "AND", "groups": [{"filters": [{"field": "x"}]}]}),
            "config.groups.0.filters.0.operator",
        ),
    ],
)
def test_a_mistake_in_the_config_is_named_by_its_path(given: Step, field: str) -> None:
    with pytest.raises(Rejected) as no:
        work_of(given)
    assert no.value.code == "VALIDATION_ERROR"
    assert [error.field for error in no.value.errors] == [field]


def test_a_bottomless_config_is_refused() -> None:
    config: dict[str, Any] = {"logic": "AND", "groups": []}
    for _ in range(5000):
        config = {"logic": "AND", "groups": [{"conditions": config}]}
    with pytest.raises(Rejected):
        work_of(step("CONDITION", config))
