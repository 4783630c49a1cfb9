"""An empty loop of the client with which delivery calls SES: the maximum number of mails per second it can submit."""

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from deploy.demo.target import Target
from libs.runtime.process.settings import Settings
from libs.schemas.delivery.content import Content
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.timing import timing
from services.delivery.rendering.message import compose
from services.delivery.rendering.variables import Links
from services.delivery.ses import client


async def loop_rate(target: Target, content: Content, mails: int) -> float:
    """Return the mails per second when one rendered mail is submitted `count` times, with as many threads as delivery
    uses.
    """
    return await asyncio.to_thread(_loop, target, content, mails)


def _loop(target: Target, content: Content, mails: int) -> float:
    os.environ |= {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}
    config = Settings(database_url="", aws_endpoint_url=target.endpoints.sandbox_url)
    times = timing(None)
    ses = client.connect(config, times.connect, times.read)
    request = compose(_mail(content), Links(config.public_url, config.link_keys), config.configuration_set).request
    request["EmailTags"] = [{**tag, "Name": tag["Name"].replace("godwit", "bench")} for tag in request["EmailTags"]]
    numbers, readers = iter(range(mails)), uuid4().hex

    def send(numbers: Iterator[int]) -> None:
        for number in numbers:
            own = request.copy()
            own["Destination"] = {"ToAddresses": [f"reader.{number}.{readers}@example.com"]}
            ses.api.send_email(**own)

    started = time.perf_counter()
    with ThreadPoolExecutor(config.send_concurrency) as threads:
        for done in [threads.submit(send, numbers) for _ in range(config.send_concurrency)]:
            done.result()
    return mails / (time.perf_counter() - started)


def _mail(content: Content) -> Mail:
    return Mail(
        id=uuid4(),
        project=uuid4(),
        contact_id=uuid4(),
        source="CAMPAIGN",
        campaign_id=uuid4(),
        recipient="reader@example.com",
        content=content,
        data="{}",
        contact_data='{"plan": "pro"}',
        subscribed=True,
        listed=None,
        meta="{}",
    )
