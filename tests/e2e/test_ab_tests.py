"""A/B tests over HTTP: created, sent to a share, decided despite a crash, sent to the rest, and compared."""

import csv
from collections import Counter
from collections.abc import AsyncIterator
from fractions import Fraction
from io import StringIO
from typing import Any

import asyncpg
import pytest

from deploy.demo.api import Api
from deploy.demo.proof import prove
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.e2e.story import mails_to, make_campaign, make_contacts, until_sent
from tests.e2e.test_audit import counted
from tests.e2e.test_campaign_life import call, code, draft
from tests.e2e.test_campaign_results import client_of
from tests.e2e.test_kills import kill

PEOPLE = 60
VARIANTS = [{"key": "A"}, {"key": "B", "subject": "Fresh news", "content": "Hello **{{ firstName }}**"}]
TEST = {"variants": VARIANTS, "sharePercent": 50, "winnerBy": "opens", "decideAfterMinutes": 60}
FALL_DUE = "update campaigns.timers set due_at = clock_timestamp() where name = 'winner-due' and key = $1"


@pytest.fixture
async def readers(api: Api) -> AsyncIterator[None]:
    """Let two of three recipients open their mail soon."""
    before = await api.sandbox_get("/sandbox/behaviour")
    read = {
        "bounce": 0,
        "complaint": 0,
        "open": 0.66,
        "click": 0.3,
        "delays": {"delivery": 0.1, "open": 0.2, "click": 0.2},
    }
    await api.sandbox_post("/sandbox/behaviour", read)
    yield
    await api.sandbox_post("/sandbox/behaviour", before)


async def until_phase(api: Api, path: str, phase: str) -> dict[str, Any]:
    async def reached() -> dict[str, Any] | None:
        campaign = await api.get(path)
        return campaign if campaign["abTest"]["phase"] == phase else None

    return await eventually(reached)


async def everybody(api: Api, path: str) -> list[dict[str, Any]]:
    return list((await api.get(f"{path}/recipients", limit=100))["data"])


def recount(people: list[dict[str, Any]], key: str) -> dict[str, int]:
    """Count the recipients who got this variant in the test."""
    them = [each for each in people if each["inTest"] and each["variant"] == key]
    return {
        "totalRecipients": len(them),
        "sentCount": len([each for each in them if each["status"] == "sent"]),
        "openedCount": len([each for each in them if each["openedAt"]]),
        "clickedCount": len([each for each in them if each["clickedAt"]]),
        "totalOpens": sum(each["opens"] for each in them),
    }


@pytest.mark.usefixtures("readers")
async def test_the_best_variant_goes_to_the_rest_although_campaigns_is_killed_before_the_decision(
    api: Api, target: Target, plan: str
) -> None:
    addresses = await make_contacts(api, plan, PEOPLE)
    campaign = await make_campaign(api, plan, subject="Plain news", abTest=TEST)
    path = f"/campaigns/{campaign['id']}"
    await api.post(f"{path}/send", {})
    waiting = await until_phase(api, path, "WAITING")
    tried = [each for each in await everybody(api, path) if each["inTest"]]
    assert (waiting["status"], waiting["sentCount"]) == ("SENDING", len(tried))

    async def told() -> bool:
        progress = await json_of(target, f"{path}/progress")
        return bool(progress["waitingFor"] == "AB_WINNER" and progress["decideAt"] == waiting["abTest"]["decideAt"])

    await eventually(told)
    await kill(target, "campaigns-1")
    await fall_due(target, campaign["id"])
    test = (await until_phase(api, path, "DECIDED"))["abTest"]
    stats = await until_sent(api, campaign)
    assert stats["sentCount"] == PEOPLE
    proof = await prove(api, campaign, PEOPLE)
    assert proof.holds, proof
    people = await everybody(api, path)
    assert {each["variant"] for each in people if not each["inTest"]} == {test["winner"]}
    subjects = {"A": "Plain news", "B": "Fresh news"}
    for each in people:
        [mail] = await mails_to(api, each["email"])
        assert mail["subject"] == subjects[each["variant"]]
    decision = (await api.get(f"{path}/ab-test"))["decision"]
    rates = [Fraction(f["opened"], f["sent"]) for f in decision["figures"]]
    assert test["decidedBy"] == decision["decidedBy"] == "deadline"
    assert decision["tied"] or test["winner"] == "AB"[rates.index(max(rates))]
    await results_add_up(api, path)
    exit_code, figures, _ = await counted(target)
    assert (exit_code, figures["campaigns by variant: sent"][0] >= PEOPLE) == (0, True), figures
    of_winner = await api.get(f"{path}/recipients", variant=test["winner"], limit=100)
    assert len(of_winner["data"]) == Counter(each["variant"] for each in people)[test["winner"]]
    async with client_of(target) as client:
        rows = list(csv.DictReader(StringIO((await client.get(f"{path}/recipients/export")).text)))
    assert {(row["email"], row["variant"], row["inTest"]) for row in rows} == {
        (each["email"], each["variant"], str(each["inTest"]).lower()) for each in people
    }
    assert {row["email"] for row in rows} == set(addresses)


async def results_add_up(api: Api, path: str) -> None:
    """Wait until the comparison of variants equals a count of the recipients."""

    async def equal() -> bool:
        results, people = await api.get(f"{path}/ab-test"), await everybody(api, path)
        return all(recount(people, each["key"]).items() <= each.items() for each in results["variants"])

    await eventually(equal)


async def test_an_operator_chooses_the_winner_and_a_cancelled_test_needs_none(api: Api, plan: str) -> None:
    await make_contacts(api, plan, 40)
    campaign = await make_campaign(api, plan, abTest=TEST)
    path = f"/campaigns/{campaign['id']}"
    assert await code(api, "POST", f"{path}/ab-test/winner", {"variant": "B"}) == (409, "CAMPAIGN_NOT_TESTING")
    await api.post(f"{path}/send", {})
    await until_phase(api, path, "WAITING")
    assert await code(api, "POST", f"{path}/ab-test/winner", {"variant": "C"}) == (422, "VALIDATION_ERROR")
    status, chosen = await call(api, "POST", f"{path}/ab-test/winner", {"variant": "B"})
    assert (status, chosen["abTest"]["winner"], chosen["abTest"]["decidedBy"]) == (200, "B", "operator")
    assert await code(api, "POST", f"{path}/ab-test/winner", {"variant": "A"}) == (409, "AB_TEST_ALREADY_DECIDED")
    assert (await until_sent(api, campaign))["sentCount"] == 40
    second = await api.post(f"{path}/duplicate", {})
    again = f"/campaigns/{second['id']}"
    await api.post(f"{again}/send", {})
    await until_phase(api, again, "WAITING")
    assert (await call(api, "POST", f"{again}/pause"))[1]["status"] == "PAUSED"
    assert (await call(api, "POST", f"{again}/resume"))[1]["status"] == "SENDING"
    assert (await call(api, "POST", f"{again}/cancel"))[1]["status"] == "CANCELLED"

    async def over() -> bool:
        stats = await api.get(f"{again}/stats")
        return bool(stats["queued"] == 0 and stats["cancelledCount"] > 0)

    await eventually(over)
    assert await code(api, "POST", f"{again}/ab-test/winner") == (409, "CAMPAIGN_NOT_TESTING")


async def test_a_test_is_set_in_a_draft_and_rejected_where_it_is_invalid(api: Api, plan: str) -> None:
    campaign = await draft(api, subject="Hi")
    path = f"/campaigns/{campaign['id']}"
    assert campaign["abTest"] is None
    assert await code(api, "GET", f"{path}/ab-test") == (404, "AB_TEST_NOT_FOUND")
    status, written = await call(api, "PATCH", path, {"abTest": {"variants": [{}, {"content": "# Hi"}]}})
    test = written["abTest"]
    assert (status, [variant["key"] for variant in test["variants"]]) == (200, ["A", "B"])
    assert (test["sharePercent"], test["winnerBy"], test["phase"]) == (20, "opens", None)
    assert test["variants"][1]["body"] == "<h1>Hi</h1>\n"
    assert "content" in written["readiness"]["missing"]
    status, back = await call(api, "PATCH", path, {"abTest": test})
    assert (status, back["abTest"]) == (200, test)
    for wrong, field in (
        ({"variants": [{}]}, "abTest"),
        ({**TEST, "sharePercent": 0}, "abTest"),
        ({**TEST, "decideAfterMinutes": 10_081}, "abTest"),
        ({**TEST, "winnerBy": "luck"}, "abTest"),
        ({"variants": [{"key": "A"}, {"key": "a", "subject": "x"}]}, "abTest.variants.1.key"),
        ({"variants": [{"subject": "{{ x"}, {}]}, "abTest.variants.0.subject"),
        ({"variants": [{"body": "<p>a</p>", "content": "b"}, {}]}, "abTest.variants.0.content"),
    ):
        status, no = await call(api, "PATCH", path, {"abTest": wrong})
        assert (status, no["error"]["code"]) == (422, "VALIDATION_ERROR")
        assert no["error"]["errors"][0]["field"].startswith(field)
    assert (await api.get(path))["abTest"] == test
    status, without = await call(api, "PATCH", path, {"abTest": None})
    assert (status, without["abTest"]) == (200, None)
    stranger = f"me@{plan}.example.org"
    ready = await make_campaign(api, plan, abTest=TEST)
    await api.post(f"/campaigns/{ready['id']}/test", {"email": stranger, "variant": "B"})

    async def arrived() -> list[dict[str, Any]]:
        return await mails_to(api, stranger)

    [mail] = await eventually(arrived)
    assert mail["subject"] == "[TEST] Fresh news"


async def fall_due(target: Target, campaign_id: str) -> None:
    """Make the decision due now."""
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    try:
        assert await conn.execute(FALL_DUE, campaign_id) == "UPDATE 1"
    finally:
        await conn.close()


async def json_of(target: Target, path: str) -> dict[str, Any]:
    async with client_of(target) as client:
        answer: dict[str, Any] = (await client.get(path, headers={"Accept": "application/json"})).json()
        return answer
