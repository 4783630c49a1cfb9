"""All step types, found in the modules of this package. Pure."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

import msgspec

from libs.kernel.field_errors import field_error
from libs.kernel.rejection import invalid, invalid_fields
from libs.schemas.workflows import Step, StepEvent
from services.workflows import steps
from services.workflows.steps.step_config import StepConfig


def _step_types() -> Iterator[type[StepConfig]]:
    for module in pkgutil.iter_modules(steps.__path__, f"{steps.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, StepConfig) and hasattr(value, "TYPE"):
                yield value


STEP_TYPES: Mapping[str, type[StepConfig]] = {kind.TYPE: kind for kind in _step_types()}
"""The step types by their name in the API, such as SEND_EMAIL."""

STEP_EVENTS: tuple[type[StepEvent], ...] = tuple(event for kind in STEP_TYPES.values() for event in kind.EVENTS)


def parse_step_config(step: Step) -> StepConfig:
    """Return the step's config. Raise Rejected, with the path of each mistake, if it is not valid."""
    try:
        config = STEP_TYPES[step.type_].parse(step)
    except msgspec.ValidationError as error:
        raise invalid_fields([field_error("config", str(error), "invalid_type")]) from error
    except RecursionError as error:
        raise invalid("config", "Config is nested too deeply", "too_big") from error
    if errors := config.errors():
        raise invalid_fields([msgspec.structs.replace(each, field=_within_config(each.field)) for each in errors])
    return config


def _within_config(path: str) -> str:
    return f"config.{path}" if path else "config"
