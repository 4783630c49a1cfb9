"""The settings that the embedded stack reads from the environment."""

import pytest

from deploy.embedded.errors import CannotStart
from deploy.embedded.settings import Settings, load


def test_without_variables_everything_has_a_default() -> None:
    assert load({}) == Settings(http_port=8000, sandbox_port=8010, data_dir=".godwit")


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({"GODWIT_DATA_DIR": "", "GODWIT_LOG_LEVEL": ""}) == load({})


def test_every_service_has_one_process_by_default() -> None:
    instances = load({"GODWIT_REPLICAS_DELIVERY": "2"}).instances
    assert instances.count(("delivery", 1)) == instances.count(("delivery", 2)) == 1
    assert len(instances) == 7


def test_settings_of_the_services_are_passed_on_and_those_of_the_stack_are_not() -> None:
    settings = load({"GODWIT_UNKNOWN_GRACE": "5", "GODWIT_HTTP_PORT": "9000", "GODWIT_TEST_BACKEND": "embedded"})
    assert settings.handed_on == {"GODWIT_UNKNOWN_GRACE": "5"}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("GODWIT_HTTP_PRT", "1", "unknown setting GODWIT_HTTP_PRT"),
        ("GODWIT_HTTP_PORTS", "1", "unknown setting GODWIT_HTTP_PORTS"),
        ("GODWIT_HTTP_PORT", "0", "bad setting GODWIT_HTTP_PORT: expected `int` >= 1"),
        ("GODWIT_SANDBOX_PORT", "mail", "bad setting GODWIT_SANDBOX_PORT: expected `int`"),
        ("GODWIT_SANDBOX_PORT", "8000", "both 8000"),
        ("GODWIT_SMTP_PORT", "8010", "GODWIT_SANDBOX_PORT and GODWIT_SMTP_PORT are both 8010"),
        ("GODWIT_REPLICAS_MAIL", "1", "unknown setting GODWIT_REPLICAS_MAIL"),
        ("GODWIT_REPLICAS_DELIVERY", "0", "bad setting GODWIT_REPLICAS_<SERVICE>: expected `int` >= 1"),
        ("GODWIT_UNKNOWN_GRACE", "soon", "unknown_grace"),
    ],
)
def test_an_invalid_setting_is_rejected_by_name(name: str, value: str, reason: str) -> None:
    with pytest.raises(CannotStart) as refusal:
        load({name: value})
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)
