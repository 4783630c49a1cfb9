"""Step types, and the configs that they accept."""

from typing import Any, get_args
from uuid import UUID, uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.schemas.registry import events
from libs.schemas.workflows import Step, StepEvent, StepType
from services.workflows.steps.condition import ConditionStep
from services.workflows.steps.delay import DelayStep
from services.workflows.steps.exit import ExitStep
from services.workflows.steps.registry import STEP_EVENTS, STEP_TYPES, parse_step_config
from services.workflows.steps.send_email import ContactRecipient, CustomRecipient, SendEmailStep
from services.workflows.steps.step_config import StepConfig
from services.workflows.steps.trigger import TriggerStep

TEMPLATE = uuid4()


def test_every_step_type_of_the_contract_is_registered() -> None:
    assert set(STEP_TYPES) == set(get_args(StepType))


def test_every_event_of_a_step_in_the_contract_belongs_to_a_step_type() -> None:
    assert set(STEP_EVENTS) == {event for event in events() if issubclass(event, StepEvent)}


def step(kind: StepType, config: dict[str, Any] | None = None, template_id: UUID | None = None) -> Step:
    return Step(id=uuid4(), type_=kind, name="step", config=config or {}, template_id=template_id)


@pytest.mark.parametrize(
    ("given", "config"),
    [
        (step("TRIGGER", {"eventName": "signup"}), TriggerStep()),
        (step("SEND_EMAIL", template_id=TEMPLATE), SendEmailStep(TEMPLATE)),
        (step("SEND_EMAIL", {"templateId": str(TEMPLATE)}), SendEmailStep(TEMPLATE)),
        (step("SEND_EMAIL", {"templateId": str(uuid4())}, TEMPLATE), SendEmailStep(TEMPLATE)),
        (step("SEND_EMAIL", {"recipient": {"type": "CONTACT"}}, TEMPLATE), SendEmailStep(TEMPLATE, ContactRecipient())),
        (
            step("SEND_EMAIL", {"recipient": {"type": "CUSTOM", "customEmail": "boss@example.com"}}, TEMPLATE),
            SendEmailStep(TEMPLATE, CustomRecipient("boss@example.com")),
        ),
        (step("DELAY", {"amount": 1, "unit": "hours"}), DelayStep(1, "hours")),
        (step("DELAY", {"amount": 0.01, "unit": "minutes"}), DelayStep(0.01, "minutes")),
        (step("DELAY", {"amount": 365, "unit": "days"}), DelayStep(365, "days")),
        (step("EXIT"), ExitStep("exit_step")),
        (step("EXIT", {"reason": "not interested"}), ExitStep("not interested")),
    ],
)
def test_a_config_is_read_by_the_type_of_the_step(given: Step, config: StepConfig) -> None:
    assert parse_step_config(given) == config


def test_a_condition_is_read_as_such() -> None:
    assert isinstance(parse_step_config(step("CONDITION", {"field": "data.plan", "operator": "exists"})), ConditionStep)


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
def test_an_error_in_the_config_has_its_path(given: Step, field: str) -> None:
    with pytest.raises(Rejected) as no:
        parse_step_config(given)
    assert no.value.code == "VALIDATION_ERROR"
    assert [error.field for error in no.value.errors] == [field]


def test_a_config_that_is_nested_too_deeply_is_rejected() -> None:
    config: dict[str, Any] = {"logic": "AND", "groups": []}
    for _ in range(5000):
        config = {"logic": "AND", "groups": [{"conditions": config}]}
    with pytest.raises(Rejected):
        parse_step_config(step("CONDITION", config))
