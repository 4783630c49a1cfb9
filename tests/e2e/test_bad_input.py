"""No input causes an internal error: every documented route, every field of its body and every parameter."""

import asyncio
import json
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from deploy.demo.target import Target

NOBODY = "00000000-0000-4000-8000-000000000001"
ADDRESS = "bad.input@example.net"
CONNECTIONS = 8
TRIED_PER_PLACE = 5
ELSEWHERE = {"/webhooks/sns", "/campaigns/{campaign_id}/progress"}
"""The first takes no API key and is tested elsewhere; the second streams."""

WRONG = [
    *("null", "true", "-1", "1.5", "1e400", "9" * 400, "NaN", "[]", "[null]", "{}", '{"a":{"b":null}}', "[" * 300),
    *('""', '" "', '"\\u0000"', '"\\ud800"', '"\\r\\nBcc: a@b.c"', '"{% for %}"', '"%00"', '"@"', f'"{"x" * 70_000}"'),
    *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', '{"a":1,"a":2}', "1}{}", f'"{NOBODY}"'),
]
"""JSON, or an attempt at it."""
WRONG_PARAMETERS = ["", " ", "\0", "a\0b", "-1", "9" * 30, "nan", "x" * 3000, "0001-01-01", "9999-12-31T23:59:59-14:00"]
WRONG_BODIES = ["", "{", "[]", "null", "5", "{}{}", "\ufeff{}"]

Document = dict[str, Any]
Place = tuple[str | int, ...]


async def test_no_request_causes_an_internal_error(target: Target) -> None:
    headers = {"Authorization": f"Bearer {target.secret_key}"}
    limit = asyncio.Semaphore(CONNECTIONS)
    async with httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, timeout=30) as client:
        document = (await client.get("/docs/openapi.json")).raise_for_status().json()

        async def tried(request: httpx.Request) -> str | None:
            async with limit:
                return _fault(request, await client.send(request))

        requests = [client.build_request(*args, **parts) for args, parts in _requests(document)]
        assert len(requests) > 1000
        faults = await asyncio.gather(*map(tried, requests))
    assert [fault for fault in faults if fault] == []


def _fault(request: httpx.Request, response: httpx.Response) -> str | None:
    """Return what is wrong with a response: an internal error, an error without a code, or a lost command."""
    told = f"{request.method} {request.url.raw_path!r} {request.content[:300]!r}: {response.status_code}"
    if response.status_code >= 400:
        typed = response.status_code < 500 and response.json()["error"]["code"]
        return None if typed else f"{told} {response.text[:200]}"
    unanswered = response.status_code == 202 and "command" in response.json()
    return f"{told} unanswered" if unanswered else None


def _requests(document: Document) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Yield the method, path and further arguments of each request."""
    for path, method, operation in _operations(document):
        parameters = operation.get("parameters", [])
        body = _body_of(document, operation)
        url = _url(path, parameters, {})
        for wrong in parameters:
            for value in WRONG_PARAMETERS:
                parts = _with_body(json.dumps(body)) if body is not None else {}
                if wrong["in"] == "path":
                    yield (method, _url(path, parameters, {wrong["name"]: value})), parts
                else:
                    yield (method, url), parts | {"params": {wrong["name"]: value}}
        if method in ("post", "put", "patch") or body is not None:
            for raw in (*WRONG_BODIES, *_spoiled(body, seed=method + path)):
                yield (method, url), _with_body(raw)


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path not in ELSEWHERE:
                yield path, method, operation


def _url(path: str, parameters: list[Document], values: dict[str, str]) -> str:
    for each in parameters:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(values.get(each["name"], NOBODY), safe=""))
    return path


def _with_body(raw: str) -> dict[str, Any]:
    return {"content": raw.encode(), "headers": {"Content-Type": "application/json"}}


def _spoiled(body: Any, seed: str) -> Iterator[str]:
    """Return the body with one invalid part, which is random but the same in every run."""
    chance = Random(seed)
    for place in _places(body):
        for wrong in chance.sample(WRONG, TRIED_PER_PLACE):
            yield msgspec.json.encode(_replaced(body, place, msgspec.Raw(wrong.encode()))).decode()


def _places(value: Any, above: Place = ()) -> Iterator[Place]:
    yield above
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*above, key))


def _replaced(value: Any, place: Place, new: msgspec.Raw) -> Any:
    if not place:
        return new
    if isinstance(value, dict):
        return {key: _replaced(each, place[1:], new) if key == place[0] else each for key, each in value.items()}
    return [_replaced(each, place[1:], new) if at == place[0] else each for at, each in enumerate(value)]


def _body_of(document: Document, operation: Document) -> Any:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return _sample(document, content["schema"]) if content else None


def _sample(document: Document, schema: Document, depth: int = 0) -> Any:
    """Return a valid value of the schema, with all its properties."""
    if reference := schema.get("$ref"):
        return _sample(document, document["components"]["schemas"][reference.rpartition("/")[2]], depth)
    if options := schema.get("oneOf") or schema.get("anyOf"):
        return _sample(document, options[0], depth)
    if given := schema.get("enum") or schema.get("examples"):
        return ADDRESS if "@" in str(given[0]) else given[0]
    match schema.get("type"):
        case "object" if depth < 6:
            members = schema.get("properties", {})
            return {name: _sample(document, member, depth + 1) for name, member in members.items()}
        case "array" if depth < 6:
            return [_sample(document, schema["items"], depth + 1)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            formats = {"uuid": NOBODY, "date-time": "2027-01-01T09:00:00Z"}
            return formats.get(schema.get("format", ""), "x" * schema.get("minLength", 1))
        case _:
            return {}
