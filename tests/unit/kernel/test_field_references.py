"""References to custom fields in documents."""

import pytest

from libs.kernel.field_references import refers_to_field

CONDITION = {
    "logic": "AND",
    "groups": [{"filters": [], "conditions": {"groups": [{"filters": [{"field": "data.plan"}]}]}}],
}


@pytest.mark.parametrize(
    "document",
    [
        CONDITION,
        {"field": "contact.data.plan", "operator": "exists"},
        {"field": "data.plan.tier"},
        {"subject": "For {{ plan }}"},
        {"body": '{% if data["plan"] == "pro" %}x{% endif %}'},
        {"body": "{{ data.plan | upcase }}"},
        {"config": {"updates": {"plan": "free"}}},
        [{"config": {"data": {"plan": None}}}],
    ],
)
def test_a_document_that_uses_the_field_refers_to_it(document: object) -> None:
    assert refers_to_field(document, "plan")


@pytest.mark.parametrize(
    "document",
    [
        {"field": "data.planet"},
        {"field": "event.plan"},
        {"subject": "plan {{ planet }} {{ event.plan }}"},
        {"subject": "{{ plan"},
        {"name": "plan"},
        None,
    ],
)
def test_a_document_that_only_contains_its_name_does_not(document: object) -> None:
    assert not refers_to_field(document, "plan")


def test_a_template_that_uses_a_path_may_use_the_key_with_its_dots() -> None:
    assert refers_to_field({"body": "{{ utm.source }}"}, "utm.source")
    assert refers_to_field({"body": "{{ data.utm.source }}"}, "utm")
    assert not refers_to_field({"body": "{{ utm }}"}, "utm.source")
