"""Wait until a stack has nothing left to do, so that the aftermath of one benchmark does not slow the next."""

from deploy.connections import connect
from deploy.demo.api import Api
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually

LIMIT = 120.0


async def until_consumed(target: Target) -> None:
    """Wait until every service has handled all facts and notifications on the bus."""
    client = await connect(target.endpoints.nats_url)
    js = client.jetstream()

    async def nothing_left() -> bool:
        consumers = [*await js.consumers_info("EVENTS"), *await js.consumers_info("INGEST")]
        return not any((consumer.num_pending or 0) + (consumer.num_ack_pending or 0) for consumer in consumers)

    await eventually(nothing_left, LIMIT, every=0.2)
    await client.close()


async def until_told(api: Api, target: Target) -> None:
    """Wait until the sandbox has sent all notifications and every service has handled them."""

    async def nothing_to_tell() -> bool:
        return bool((await api.sandbox_stats())["notifications"]["pending"] == 0)

    await eventually(nothing_to_tell, LIMIT, every=0.5)
    await until_consumed(target)
