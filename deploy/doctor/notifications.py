"""Check the return path from SES: the topic's subscriptions, and the queue."""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy.doctor.deployment import Deployment
from deploy.doctor.diagnosis import (
    Diagnosis,
    ok,
    problem,
    warning,
)

PENDING = "PendingConfirmation"
WEBHOOK = "/webhooks/sns"
MAX_QUEUED = 10_000


def examine(deployment: Deployment) -> Iterator[Diagnosis]:
    if not deployment.topic_arns and not deployment.queue_url:
        todo = "Set GODWIT_SNS_TOPIC_ARNS or GODWIT_SQS_QUEUE_URL: without them the outcome of emails stays unknown."
        yield problem("notifications", "no topic and no queue", todo)
        return
    subscriptions: list[Any] = []
    for topic in deployment.topic_arns:
        try:
            subscriptions += _subscriptions(deployment.client("sns"), topic)
        except (BotoCoreError, ClientError) as error:
            yield warning("SNS subscription", str(error), f"Let these credentials list the subscriptions of {topic}.")
            return
    if deployment.topic_arns:
        yield _subscription(deployment, subscriptions)
    if deployment.queue_url:
        yield _queue(deployment, deployment.queue_url)


def _subscriptions(client: Any, topic: str) -> Sequence[Any]:
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return [item for page in pages for item in page["Subscriptions"]]


def _subscription(deployment: Deployment, subscriptions: Sequence[Any]) -> Diagnosis:
    webhook = deployment.public_url.rstrip("/") + WEBHOOK
    here = [item for item in subscriptions if _is_ours(deployment, item)]
    if not here:
        return problem("SNS subscription", "none leads here", f"Subscribe {webhook}, or your SQS queue, to the topic.")
    if all(item["SubscriptionArn"] == PENDING for item in here):
        todo = f"Let SNS reach {here[0]['Endpoint']}; then request the confirmation again in the SNS console."
        return problem("SNS subscription", "not confirmed", todo)
    return ok("SNS subscription", ", ".join(sorted({item["Endpoint"] for item in here})))


def _is_ours(deployment: Deployment, subscription: Any) -> bool:
    """Return whether the subscription leads to this deployment.

    Any webhook with our path counts, because it may have another host name than ours. A queue counts if it has the name
    of the queue we poll.
    """
    endpoint: str = subscription["Endpoint"]
    if subscription["Protocol"] == "sqs":
        return (
            deployment.queue_url is not None and endpoint.rpartition(":")[2] == deployment.queue_url.rpartition("/")[2]
        )
    return endpoint.endswith(WEBHOOK)


def _queue(deployment: Deployment, url: str) -> Diagnosis:
    try:
        response = deployment.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )
    except (BotoCoreError, ClientError) as error:
        return problem("SQS queue", str(error), f"Check GODWIT_SQS_QUEUE_URL, and let feedback receive from {url}.")
    waiting = int(response.get("Attributes", {}).get("ApproximateNumberOfMessages", 0))
    if waiting > MAX_QUEUED:
        return warning("SQS queue", f"{waiting:,} notifications wait", "Add a replica of the feedback service.")
    return ok("SQS queue", f"{waiting:,} notifications wait")
