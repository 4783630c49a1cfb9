"""Notifications: envelopes, signatures, confirmation, modes, retries, and what each address causes."""

import time
from itertools import pairwise
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature

from deploy.embedded.ports import free_ports
from tests.sandbox.conftest import StartSandbox
from tests.sandbox.running import QUIET, Post, Sandbox, Subscriber, eventually, unique_address, verify

pytestmark = pytest.mark.slow

LINKS = """
<p><a class="button" href="https://example.com/offer?a=1&amp;b=2">Offer</a></p>
<a href="https://example.com/unsubscribe/42">No more</a> <a href='https://example.com/x'>Unsubscribe</a>
<a href="mailto:ann@example.com">Write</a>
"""


def test_a_notification_is_an_sns_envelope_around_an_ses_event(telling: Sandbox, subscriber: Subscriber) -> None:
    to = unique_address()
    message_id = telling.send(to, email_id="join-key")
    subscriber.wait_for(message_id, "Send", "Delivery")
    post = next(post for post in notifications(subscriber) if post.event["eventType"] == "Delivery")

    topic = telling.get("/sandbox/notifications")["topicArn"]
    assert post.headers["content-type"].startswith("text/plain")
    assert post.headers["x-amz-sns-message-type"] == "Notification"
    assert post.headers["x-amz-sns-topic-arn"] == post.envelope["TopicArn"] == topic
    assert post.headers["x-amz-sns-message-id"] == post.envelope["MessageId"]
    assert post.envelope["SignatureVersion"] == "2"
    assert post.envelope["SigningCertURL"].startswith(f"{telling.url}/SimpleNotificationService-")
    assert "Action=Unsubscribe" in post.envelope["UnsubscribeURL"]

    mail, delivery = post.event["mail"], post.event["delivery"]
    assert mail["messageId"] == message_id
    assert mail["destination"] == [to]
    assert mail["source"] == "News <news@example.com>"
    assert mail["tags"]["godwit_email"] == ["join-key"]
    assert mail["tags"]["ses:configuration-set"] == ["tracked"]
    assert {"name": "Subject", "value": "Hello"} in mail["headers"]
    assert mail["commonHeaders"]["subject"] == "Hello"
    assert delivery["recipients"] == [to]
    assert delivery["timestamp"] > mail["timestamp"]


def test_the_signature_is_valid_and_a_tampered_envelope_fails(telling: Sandbox, subscriber: Subscriber) -> None:
    subscriber.wait_for(telling.send(unique_address()), "Send")
    ca = telling.data_dir / "ca.pem"
    for post in list(subscriber.posts):
        verify(post.envelope, ca)
    envelope = notifications(subscriber)[0].envelope
    for field in ("Message", "Timestamp", "TopicArn", "Subject", "MessageId"):
        with pytest.raises(InvalidSignature):
            verify({**envelope, field: envelope[field] + " "}, ca)


def test_notifications_are_delivered_after_the_signing_process_was_killed(
    own_telling: Sandbox, own_subscriber: Subscriber
) -> None:
    own_subscriber.wait_for(own_telling.send(unique_address()), "Send", "Delivery")
    [signatory] = psutil.Process(own_telling.process.pid).children()
    signatory.kill()
    own_subscriber.wait_for(own_telling.send(unique_address()), "Send", "Delivery")
    for post in list(own_subscriber.posts):
        verify(post.envelope, own_telling.data_dir / "ca.pem")


def test_the_signing_process_ends_with_a_killed_sandbox(own_telling: Sandbox) -> None:
    [signatory] = psutil.Process(own_telling.process.pid).children()
    own_telling.kill()
    signatory.wait(10)


def test_the_authority_stays_the_same_and_keeps_no_private_key(own_telling: Sandbox) -> None:
    ca = (own_telling.data_dir / "ca.pem").read_bytes()
    own_telling.stop()
    own_telling.start()
    assert (own_telling.data_dir / "ca.pem").read_bytes() == ca
    keys = [file.name for file in own_telling.data_dir.glob("*.pem") if b"PRIVATE KEY" in file.read_bytes()]
    assert keys == ["sns-key.pem"]
    assert (own_telling.data_dir / "sns-key.pem").stat().st_mode & 0o077 == 0


def test_nothing_is_delivered_until_the_subscribe_url_was_fetched(
    start_sandbox: StartSandbox, own_subscriber: Subscriber
) -> None:
    own_subscriber.confirms = False
    sandbox = start_sandbox("--subscriber", own_subscriber.url)
    sandbox.post("/sandbox/behaviour", QUIET)
    message_id = sandbox.send(unique_address())
    asked = eventually(lambda: [post for post in own_subscriber.posts if post.kind == "SubscriptionConfirmation"])[0]
    time.sleep(0.7)
    assert notifications(own_subscriber) == []
    verify(asked.envelope, sandbox.data_dir / "ca.pem")

    page = sandbox.page(asked.envelope["SubscribeURL"].removeprefix(sandbox.url))
    assert "<SubscriptionArn>arn:aws:sns:" in page
    own_subscriber.wait_for(message_id, "Send", "Delivery")


def test_a_subscription_can_be_confirmed_through_the_sns_api(
    start_sandbox: StartSandbox, own_subscriber: Subscriber
) -> None:
    own_subscriber.confirms = False
    sandbox = start_sandbox("--subscriber", own_subscriber.url)
    asked = eventually(lambda: [post for post in own_subscriber.posts if post.kind == "SubscriptionConfirmation"])[0]
    sns: Any = boto3.client("sns", **sandbox.credentials)
    with pytest.raises(ClientError, match="InvalidParameter"):
        sns.confirm_subscription(TopicArn=asked.envelope["TopicArn"], Token="guessed")
    with pytest.raises(ClientError, match="NotFound"):
        sns.confirm_subscription(TopicArn="arn:aws:sns:eu-west-1:1:other", Token=asked.envelope["Token"])
    answer = sns.confirm_subscription(TopicArn=asked.envelope["TopicArn"], Token=asked.envelope["Token"])
    assert answer["SubscriptionArn"].startswith(asked.envelope["TopicArn"])
    assert sandbox.get("/sandbox/notifications")["subscriptions"][0]["confirmed"]


def test_a_subscriber_can_subscribe_and_unsubscribe_through_the_sns_api(start_sandbox: StartSandbox) -> None:
    sandbox, late = start_sandbox(), Subscriber()
    sns: Any = boto3.client("sns", **sandbox.credentials)
    topic = sandbox.get("/sandbox/notifications")["topicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=late.url)
    eventually(lambda: sandbox.get("/sandbox/notifications")["subscriptions"][0]["confirmed"])
    late.wait_for(sandbox.send("success@simulator.amazonses.com"), "Send", "Delivery")
    sns.unsubscribe(SubscriptionArn=sandbox.get("/sandbox/notifications")["subscriptions"][0]["arn"])
    assert sandbox.get("/sandbox/notifications")["subscriptions"] == []
    late.close()


def test_a_confirmed_subscriber_is_kept_and_asked_again_after_a_restart(
    own_telling: Sandbox, own_subscriber: Subscriber
) -> None:
    own_subscriber.confirms = False
    greetings = len(own_subscriber.posts)
    own_telling.stop()
    own_telling.start()
    own_subscriber.wait_for(own_telling.send("success@simulator.amazonses.com"), "Send", "Delivery")
    assert "SubscriptionConfirmation" in [post.kind for post in own_subscriber.posts[greetings:]]


def test_every_subscriber_gets_the_notifications(start_sandbox: StartSandbox) -> None:
    ann, ben = Subscriber(), Subscriber()
    sandbox = start_sandbox("--subscriber", ann.url, "--subscriber", ben.url)
    message_id = sandbox.send("success@simulator.amazonses.com")
    for subscriber in (ann, ben):
        subscriber.wait_for(message_id, "Send", "Delivery")
        subscriber.close()
    ids = [{post.envelope["MessageId"] for post in notifications(each)} for each in (ann, ben)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("local_part", "kinds"),
    [
        ("success", ["Send", "Delivery"]),
        ("success+label", ["Send", "Delivery"]),
        ("bounce", ["Send", "Bounce"]),
        ("complaint+x", ["Send", "Delivery", "Complaint"]),
        ("suppressionlist", ["Send", "Bounce"]),
        ("ooto", ["Send", "Delivery", "Bounce"]),
    ],
)
def test_simulator_addresses_cause_what_aws_documents(
    telling: Sandbox, subscriber: Subscriber, local_part: str, kinds: list[str]
) -> None:
    to = f"{local_part}@simulator.amazonses.com"
    events = {event["eventType"]: event for event in subscriber.wait_for(telling.send(to), *kinds)}
    assert sorted(events) == sorted(kinds)
    match local_part:
        case "bounce":
            bounce = events["Bounce"]["bounce"]
            assert (bounce["bounceType"], bounce["bounceSubType"]) == ("Permanent", "General")
            assert bounce["bouncedRecipients"][0]["emailAddress"] == to
            assert bounce["bouncedRecipients"][0]["status"] == "5.1.1"
            assert bounce["bouncedRecipients"][0]["diagnosticCode"].startswith("smtp; 550 5.1.1")
        case "suppressionlist":
            assert events["Bounce"]["bounce"]["bounceSubType"] == "OnAccountSuppressionList"
        case "ooto":
            assert events["Bounce"]["bounce"]["bounceType"] == "Transient"
        case "complaint+x":
            complaint = events["Complaint"]["complaint"]
            assert complaint["complaintFeedbackType"] == "abuse"
            assert complaint["complainedRecipients"] == [{"emailAddress": to}]
    assert telling.ses.list_suppressed_destinations()["SuppressedDestinationSummaries"] == []


def test_opens_and_clicks_follow_the_configured_rates_and_a_click_never_unsubscribes(
    telling: Sandbox, subscriber: Subscriber
) -> None:
    telling.post("/sandbox/behaviour", {"open": 1, "click": 1, "delays": {"open": 0.2, "click": 0.2}})
    events = subscriber.wait_for(telling.send(unique_address(), html=LINKS), "Open", "Click")
    told = {event["eventType"]: event for event in events}
    assert sorted(told) == ["Click", "Delivery", "Open", "Send"]
    assert told["Click"]["click"]["link"] == "https://example.com/offer?a=1&b=2"
    assert told["Click"]["click"]["ipAddress"]
    assert told["Open"]["open"]["userAgent"]


def test_without_tracking_a_link_or_html_nobody_clicks_or_opens(telling: Sandbox, subscriber: Subscriber) -> None:
    telling.post("/sandbox/behaviour", {"open": 1, "click": 1, "delays": {"open": 0, "click": 0}})
    untracked = telling.send(unique_address(), html=LINKS, configuration_set="godwit-no-tracking")
    without_link = telling.send(unique_address(), html="<p>Hi</p>")
    subscriber.wait_for(without_link, "Send", "Delivery", "Open")
    eventually(lambda: telling.get("/sandbox/stats")["notifications"]["pending"] == 0)
    assert sorted(subscriber.kinds_of(untracked)) == ["Delivery", "Send"]
    assert sorted(subscriber.kinds_of(without_link)) == ["Delivery", "Open", "Send"]


@pytest.mark.parametrize(
    ("rate", "kinds"),
    [
        ("bounce", ["Send", "Bounce"]),
        ("reject", ["Send", "Reject"]),
        ("complaint", ["Send", "Delivery", "Complaint"]),
        ("deliveryDelay", ["Send", "DeliveryDelay", "Delivery"]),
    ],
)
def test_ordinary_addresses_follow_the_rates(
    telling: Sandbox, subscriber: Subscriber, rate: str, kinds: list[str]
) -> None:
    telling.post("/sandbox/behaviour", {rate: 1, "delays": {"complaint": 0.1}})
    told = {event["eventType"]: event for event in subscriber.wait_for(telling.send(unique_address()), *kinds)}
    assert sorted(told) == sorted(kinds)
    names = {"Bounce": "bounce", "Reject": "reject", "Complaint": "complaint", "DeliveryDelay": "deliveryDelay"}
    assert all(told[kind][name] for kind, name in names.items() if kind in kinds)


def test_email_to_a_bounced_or_suppressed_address_is_accepted_and_bounces(
    telling: Sandbox, subscriber: Subscriber
) -> None:
    suppressed, bounced = unique_address(), unique_address()
    telling.ses.put_suppressed_destination(EmailAddress=suppressed, Reason="COMPLAINT")
    telling.post("/sandbox/behaviour", {"bounce": 1})
    subscriber.wait_for(telling.send(bounced), "Bounce")
    telling.post("/sandbox/behaviour", {"bounce": 0})
    for address in (suppressed, bounced):
        events = subscriber.wait_for(telling.send(address.upper()), "Send", "Bounce")
        (bounce,) = [event["bounce"] for event in events if event["eventType"] == "Bounce"]
        assert bounce["bounceSubType"] == "OnAccountSuppressionList"
    assert telling.ses.get_suppressed_destination(EmailAddress=bounced)["SuppressedDestination"]["Reason"] == "BOUNCE"


def test_paused_holds_everything_until_on(telling: Sandbox, subscriber: Subscriber) -> None:
    telling.post("/sandbox/notifications", {"mode": "paused"})
    message_id = telling.send(unique_address())
    time.sleep(0.8)
    assert subscriber.told_of(message_id) == []
    assert telling.get("/sandbox/notifications")["pending"] == 2
    telling.post("/sandbox/notifications", {"mode": "on"})
    subscriber.wait_for(message_id, "Send", "Delivery")


def test_email_sent_after_clearing_is_reported_although_older_notifications_were_in_flight(
    telling: Sandbox, subscriber: Subscriber
) -> None:
    telling.post("/sandbox/notifications", {"mode": "shuffled"})  # delays what it has already taken
    for _ in range(5):
        telling.send(unique_address())
    time.sleep(0.5)
    telling.delete("/sandbox/messages")
    message_id = telling.send(unique_address())
    subscriber.wait_for(message_id, "Send", "Delivery")


def test_duplicated_delivers_everything_twice_with_the_same_id(telling: Sandbox, subscriber: Subscriber) -> None:
    telling.post("/sandbox/notifications", {"mode": "duplicated"})
    message_id = telling.send(unique_address())
    eventually(lambda: len(subscriber.told_of(message_id)) == 4)
    assert sorted(subscriber.kinds_of(message_id)) == ["Delivery", "Delivery", "Send", "Send"]
    assert len({post.envelope["MessageId"] for post in notifications(subscriber)}) == 2


def test_shuffled_delivers_everything_once_and_out_of_order(telling: Sandbox, subscriber: Subscriber) -> None:
    telling.post("/sandbox/notifications", {"mode": "shuffled"})
    sent = [telling.send(unique_address()) for _ in range(30)]
    eventually(lambda: len(notifications(subscriber)) == 60)
    assert all(sorted(subscriber.kinds_of(message_id)) == ["Delivery", "Send"] for message_id in sent)
    arrived = [post.event["mail"]["timestamp"] for post in notifications(subscriber)]
    assert any(later < earlier for earlier, later in pairwise(arrived))
    assert any(subscriber.kinds_of(message_id) == ["Delivery", "Send"] for message_id in sent)


def test_a_failing_subscriber_gets_the_same_envelope_again(telling: Sandbox, subscriber: Subscriber) -> None:
    subscriber.status = 500
    message_id = telling.send("success@simulator.amazonses.com")
    eventually(lambda: len(subscriber.kinds_of(message_id)) >= 3)
    subscriber.status = 200
    eventually(lambda: telling.get("/sandbox/stats")["notifications"]["pending"] == 0)
    told = [post for post in notifications(subscriber) if post.event["eventType"] == "Send"]
    assert len(told) >= 2
    assert len({(post.envelope["MessageId"], post.envelope["Timestamp"]) for post in told[1:]}) == 1
    gaps = [later.at - earlier.at for earlier, later in pairwise(told)]
    assert gaps[0] > 0.4


def test_a_subscriber_that_was_down_gets_everything_in_order_when_it_is_back(start_sandbox: StartSandbox) -> None:
    [port] = free_ports(1)
    sandbox = start_sandbox("--subscriber", f"http://127.0.0.1:{port}/webhooks/sns")
    sandbox.post("/sandbox/behaviour", QUIET)
    sent = [sandbox.send(unique_address()) for _ in range(5)]
    time.sleep(0.5)
    back = Subscriber(port)
    for message_id in sent:
        back.wait_for(message_id, "Send", "Delivery")
    back.close()


def notifications(subscriber: Subscriber) -> list[Post]:
    return [post for post in subscriber.posts if post.kind == "Notification"]
