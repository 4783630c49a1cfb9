"""The conservation law as Prometheus sees it."""

from prometheus_client import REGISTRY

from libs.runtime.process.runtime import Runtime
from services.delivery.ledger import conservation
from tests.service.delivery.driver import DeliveryDriver

TAKE_AWAY = "delete from email where id = $1"


async def measured(delivery: Runtime) -> tuple[float, float, float]:
    """Return the intents, the mails in all states together, and the difference."""
    async with delivery.pool.acquire() as conn:
        await conservation.count(conn)
    mails = [REGISTRY.get_sample_value("godwit_emails", {"state": state}) or 0.0 for state in conservation.STATES]
    intents = REGISTRY.get_sample_value("godwit_email_intents")
    unaccounted = REGISTRY.get_sample_value("godwit_emails_unaccounted")
    assert intents is not None and unaccounted is not None
    return intents, sum(mails), unaccounted


async def test_every_intent_is_counted_once_and_a_lost_one_is_noticed(
    driver: DeliveryDriver, delivery: Runtime
) -> None:
    intents, mails, unaccounted = await measured(delivery)
    await driver.verify_domain()
    queued = await driver.send()
    await driver.send()
    await driver.reach_states({"sent": 2})
    assert await measured(delivery) == (intents + 2, mails + 2, unaccounted)
    await delivery.pool.execute(TAKE_AWAY, queued.email)
    assert await measured(delivery) == (intents + 2, mails + 1, unaccounted + 1)
