"""Verifying addresses over HTTP, with a name server of the test's own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from services.gateway.accounts import keys
from services.gateway.verification import dns_lookup
from tests.conftest import Stack
from tests.service.gateway.conftest import World, gateway_for, url_of
from tests.service.gateway.nameserver import BROKEN, SILENT, Nameserver, nameserver
from tests.service.gateway.test_requests import error_of


@pytest.fixture(scope="module")
async def dns() -> AsyncIterator[tuple[Nameserver, str]]:
    async with nameserver() as serving:
        yield serving


@pytest.fixture(scope="module")
async def verifier(stack: Stack, world: World, dns: tuple[Nameserver, str]) -> AsyncIterator[httpx.AsyncClient]:
    secret = keys.generate("secret")
    async with gateway_for(stack, secret, keys.generate("public"), dns_servers=dns[1]) as gateway:
        headers = {"Authorization": f"Bearer {secret}"}
        async with httpx.AsyncClient(base_url=url_of(gateway), headers=headers, timeout=30) as client:
            yield client


async def test_a_verification_is_complete_for_old_and_new_clients(verifier: httpx.AsyncClient) -> None:
    response = await verifier.post("/v1/verify", json={"email": " Ada+News@Example.com "})
    answer = response.json()
    assert (response.status_code, answer["success"]) == (200, True)
    assert answer["data"] == {
        "email": "ada+news@example.com",
        "valid": True,
        "isDisposable": False,
        "isAlias": False,
        "isTypo": False,
        "isPlusAddressed": True,
        "isPersonalEmail": False,
        "isRole": False,
        "domainExists": True,
        "hasWebsite": True,
        "hasMxRecords": True,
        "reasons": [],
    }
    assert {name: answer[name] for name in answer["data"]} == answer["data"]


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("ada@gmail.com", {"valid": True, "isPersonalEmail": True}),
        ("ada@gmial.com", {"valid": True, "isTypo": True, "suggestedEmail": "ada@gmail.com"}),
        ("ada@mailinator.com", {"valid": False, "isDisposable": True}),
        ("ada@duck.com", {"valid": True, "isAlias": True, "hasWebsite": True}),
        ("support@mail.example.com", {"valid": True, "isRole": True, "hasWebsite": False}),
        ("ada@bücher.example", {"valid": True, "email": "ada@xn--bcher-kva.example"}),
        ("ada@nowhere.example", {"valid": False, "domainExists": False, "hasMxRecords": False}),
        ("ada@site.example", {"valid": False, "domainExists": True, "hasMxRecords": False, "hasWebsite": True}),
        ("ada@nomail.example", {"valid": False, "hasMxRecords": False}),
        (f"ada@{BROKEN}", {"valid": True, "domainExists": None, "hasMxRecords": None}),
    ],
)
async def test_facts_about_a_domain_are_returned(
    verifier: httpx.AsyncClient, email: str, expected: dict[str, object]
) -> None:
    found = (await verifier.post("/v1/verify", json={"email": email})).json()["data"]
    assert {name: found.get(name) for name in expected} == expected
    nothing_against_it = found["valid"] and found["hasMxRecords"] is not None
    assert bool(found["reasons"]) is not nothing_against_it


async def test_a_silent_server_is_not_waited_for_long_and_blocks_no_other_lookup(
    verifier: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_lookup, "LOOKUP_SECONDS", 0.2)
    found = (await verifier.post("/v1/verify", json={"email": f"ada@{SILENT}"})).json()["data"]
    assert (found["valid"], found["domainExists"]) == (True, None)
    assert found["reasons"] == ["Domain could not be checked (DNS did not answer)"]


async def test_an_answer_is_cached(verifier: httpx.AsyncClient, dns: tuple[Nameserver, str]) -> None:
    for _ in range(3):
        await verifier.post("/v1/verify", json={"email": "ada@once.example"})
    assert sorted(kind for name, kind in dns[0].asked if name == "once.example") == ["A", "AAAA", "MX"]


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@example.com", "ada@localhost", "a b@example.com", "ä@x.io", "a\nb@x.io"]
)
async def test_an_invalid_address_is_rejected(verifier: httpx.AsyncClient, email: str) -> None:
    response = await verifier.post("/v1/verify", json={"email": email})
    assert error_of(response) == (422, "VALIDATION_ERROR")
    assert [error["field"] for error in response.json()["error"]["errors"]] == ["email"]


async def test_only_a_secret_key_may_verify(world: World) -> None:
    async with world.client(world.public) as browser:
        assert error_of(await browser.post("/v1/verify", json={"email": "ada@example.com"})) == (401, "INVALID_API_KEY")
