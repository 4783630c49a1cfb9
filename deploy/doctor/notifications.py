"""The way back from SES: the topic's subscriptions, and the queue."""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy.doctor.deployment import Place
from deploy.doctor.diagnosis import (
    Finding,
    ok,
    problem,
    warning,
)

PENDING = "PendingConfirmation"
WEBHOOK = "/webhooks/sns"
MAX_WAITING = 10_000


def examine(place: Place) -> Iterator[Finding]:
    if not place.topic_arns and not place.queue_url:
        todo = "Set GODWIT_SNS_TOPIC_ARNS, or GODWIT_SQS_QUEUE_URL: what becomes of mails would never be known."
        yield problem("notifications", "no topic and no queue", todo)
        return
    subscriptions: list[Any] = []
    for topic in place.topic_arns:
        try:
            subscriptions += _subscriptions(place.client("sns"), topic)
        except (BotoCoreError, ClientError) as error:
            yield warning("SNS subscription", str(error), f"Let these credentials list the subscriptions of {topic}.")
            return
    if place.topic_arns:
        yield _delivered(place, subscriptions)
    if place.queue_url:
        yield _queue(place, place.queue_url)


def _subscriptions(client: Any, topic: str) -> Sequence[Any]:
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return [each for page in pages for each in page["Subscriptions"]]


def _delivered(place: Place, subscriptions: Sequence[Any]) -> Finding:
    webhook = place.public_url.rstrip("/") + WEBHOOK
    here = [each for each in subscriptions if _comes_here(place, each)]
    if not here:
        return problem("SNS subscription", "none comes here", f"Subscribe {webhook}, or your SQS queue, to the topic.")
    if all(each["SubscriptionArn"] == PENDING for each in here):
        todo = f"Let SNS reach {here[0]['Endpoint']}; then ask for the confirmation again in the SNS console."
        return problem("SNS subscription", "not confirmed", todo)
    return ok("SNS subscription", ", ".join(sorted({each["Endpoint"] for each in here})))


def _comes_here(place: Place, subscription: Any) -> bool:
    """A webhook may be reached under another name than ours; a queue is ours if its name is that of the one we poll."""
    endpoint: str = subscription["Endpoint"]
    if subscription["Protocol"] == "sqs":
        return place.queue_url is not None and endpoint.rpartition(":")[2] == place.queue_url.rpartition("/")[2]
    return endpoint.endswith(WEBHOOK)


def _queue(place: Place, url: str) -> Finding:
    try:
        told = place.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    except (BotoCoreError, ClientError) as error:
        return problem("SQS queue", str(error), f"Check GODWIT_SQS_QUEUE_URL, and let feedback receive from {url}.")
    waiting = int(told.get("Attributes", {}).get("ApproximateNumberOfMessages", 0))
    if waiting > MAX_WAITING:
        return warning("SQS queue", f"{waiting:,} notifications wait", "Add a replica of the feedback service.")
    return ok("SQS queue", f"{waiting:,} notifications wait")
