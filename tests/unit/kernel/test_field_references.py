"""Where a custom field is named."""

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
def test_a_document_names_the_field(document: object) -> None:
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
def test_a_document_that_only_sounds_like_it_does_not(document: object) -> None:
    assert not refers_to_field(document, "plan")
