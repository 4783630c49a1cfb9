"""The short form of `make chaos`, and a stack whose processes all die at once."""

import pytest

from tests.faults.chaos import storm
from tests.faults.invariants import check
from tests.faults.load import Load
from tests.faults.quiet import quiet
from tests.faults.rig import SENDERS, SERVICES, Rig

pytestmark = pytest.mark.slow


async def test_after_a_storm_every_promise_is_kept_and_everyone_got_one_mail(rig: Rig) -> None:
    report = await storm(rig, seed=20, seconds=12, contacts=120, every=0.5)
    assert report.faults and report.promises
    assert report.findings.broken == []


async def test_a_stack_whose_processes_all_die_at_once_recovers_by_itself(rig: Rig, load: Load) -> None:
    await load.add_contacts(60)
    await rig.allow(40)
    campaign = await load.send_campaign()
    for process in ("nats-1", *SENDERS, *SERVICES, "postgres-1"):
        rig.kill(process)
    stats = await load.until_sent(campaign, within=60)
    assert stats["totalRecipients"] == 60
    await quiet(rig)
    assert (await check(rig, load.promised)).broken == []
