"""The API's description covers the whole API."""

from collections.abc import Iterator
from typing import Any

from services.gateway.app import openapi_schema
from services.gateway.docs import documentation
from services.gateway.routes.discovery import route_handlers


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in openapi_schema()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_has_a_name_a_summary_and_a_known_tag() -> None:
    named = [operation["operationId"] for _, operation in operations()]
    assert len(named) == len(set(named)) == sum(handler.resolve_include_in_schema() for handler in route_handlers())
    for name, operation in operations():
        assert " " in operation["summary"], name
        assert set(operation["tags"]) <= documentation.TAGS.keys(), name


def test_every_operation_lists_its_errors_with_the_envelope() -> None:
    for name, operation in operations():
        for status_code in ("401", "404", "422", "429", "500", "503"):
            schema = operation["responses"][status_code]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorEnvelope"}, (name, status_code)


def test_fields_are_named_as_in_the_json() -> None:
    schemas = openapi_schema()["components"]["schemas"]
    assert {"fromName", "replyTo", "audienceType", "from", "type"} <= schemas["CampaignBody"]["properties"].keys()
    assert "_meta" in schemas["SavedContact"]["properties"]
    assert {"statusCode", "requestId"} <= schemas["ErrorBody"]["properties"].keys()


def test_parameters_are_named_as_in_the_url() -> None:
    operation_of = dict(operations())
    names = {parameter["name"] for parameter in operation_of["GET /campaigns"]["parameters"]}
    assert names == {"page", "pageSize", "status", "search"}
    mails = {parameter["name"] for parameter in operation_of["GET /emails"]["parameters"]}
    assert mails == {"limit", "cursor", "state", "source", "campaignId", "workflowId", "contactId", "to"}


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = (documentation.FILES / "page.html").read_text()
    script = (documentation.FILES / "page.js").read_text()
    assert "https://" not in page + script
