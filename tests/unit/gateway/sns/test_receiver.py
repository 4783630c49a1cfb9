"""Which SNS messages are accepted, and what they do."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.sns.envelopes import Topic, load_signer
from libs.runtime.clock import now
from libs.runtime.process.settings import Settings
from libs.schemas.feedback.notifications import RecordNotification
from services.gateway.sns import SnsReceiver, SnsRejected, SubscriptionChanged, ingest_message, receiver_from
from tests.unit.gateway.sns.authority import (
    AMAZON,
    CERTIFICATE_URL,
    NOW,
    TOPIC,
    Network,
    Signer,
    confirmation,
    new_key,
    notification,
)

SNS = Signer(new_key())
STRANGER = Signer(new_key())
CA = Signer(new_key(), name="sandbox CA", is_ca=True)
SANDBOX = Signer(new_key(), issuer=CA, name="sandbox")
LOCAL = "http://127.0.0.1:8010"
LOCAL_CERTIFICATE = f"{LOCAL}/SimpleNotificationService-0abc.pem"


class ReceiverSetup:
    """A receiver with a network and a clock of its own."""

    def __init__(self, *topics: str, trust_ca: Path | None = None, signature_v1: bool = False, **bodies: Any) -> None:
        self.now = NOW
        self.network = Network({CERTIFICATE_URL: SNS.pem, LOCAL_CERTIFICATE: SANDBOX.pem} | bodies)
        self.receiver = SnsReceiver(
            topic_arns=frozenset(topics or (TOPIC,)),
            trust_ca=trust_ca,
            signature_v1=signature_v1,
            fetch=self.network.fetch,
            clock=lambda: self.now,
        )

    async def receive(self, body: bytes) -> RecordNotification | SubscriptionChanged:
        return await self.receiver.receive(body)

    async def rejection(self, body: bytes) -> int:
        with pytest.raises(SnsRejected) as no:
            await self.receive(body)
        return no.value.status


@pytest.fixture
def edge() -> ReceiverSetup:
    return ReceiverSetup()


@pytest.fixture
def development(tmp_path: Path) -> ReceiverSetup:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(CA.pem)
    return ReceiverSetup(trust_ca=authority)


# --- accepted --------------------------------------------------------------------------------------------------------


async def test_a_signed_notification_is_returned_unchanged(edge: ReceiverSetup) -> None:
    received = await edge.receive(SNS.signed(notification()))
    assert received == RecordNotification(
        notification_id=UUID("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"),
        topic_arn=TOPIC,
        sent_at=datetime.fromisoformat("2026-11-20T09:29:58.120+00:00"),
        message='{"eventType":"Delivery","note":"naïve\\nfriend 🐦"}',
    )


async def test_a_notification_without_a_subject_is_signed_without_one(edge: ReceiverSetup) -> None:
    message = notification()
    del message["Subject"]
    assert isinstance(await edge.receive(SNS.signed(message)), RecordNotification)


async def test_a_notification_from_china_is_amazons_too(edge: ReceiverSetup) -> None:
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0abc.pem"
    edge.network.bodies[url] = SNS.pem
    assert isinstance(await edge.receive(SNS.signed(notification(SigningCertURL=url))), RecordNotification)


async def test_a_subscription_is_confirmed_by_fetching_its_address(edge: ReceiverSetup) -> None:
    message = confirmation()
    edge.network.bodies[message["SubscribeURL"]] = b"<ConfirmSubscriptionResponse/>"
    assert await edge.receive(SNS.signed(message)) == SubscriptionChanged(topic_arn=TOPIC, subscribed=True)
    assert edge.network.fetched == [CERTIFICATE_URL, message["SubscribeURL"]]


async def test_an_unsubscribe_confirmation_does_not_subscribe_again(edge: ReceiverSetup) -> None:
    body = SNS.signed(confirmation(Type="UnsubscribeConfirmation"))
    assert await edge.receive(body) == SubscriptionChanged(topic_arn=TOPIC, subscribed=False)
    assert edge.network.fetched == [CERTIFICATE_URL]


# --- rejected --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [
    {"Message": "forged"}, {"MessageId": "00000000-0000-4000-8000-000000000000"}, {"Subject": "forged"},
    {"Timestamp": "2026-11-20T09:29:59.120Z"}, {"Signature": "AAAA"}, {"Signature": ""}, {"Signature": "not base64!"},
    {"Signature": "naïve"},
])  # fmt: skip
async def test_a_message_changed_after_signing_is_rejected(edge: ReceiverSetup, change: dict[str, str]) -> None:
    assert await edge.rejection(json.dumps(json.loads(SNS.signed(notification())) | change).encode()) == 403


async def test_a_message_with_an_added_or_removed_subject_is_rejected(edge: ReceiverSetup) -> None:
    without = notification()
    del without["Subject"]
    added = json.loads(SNS.signed(without)) | {"Subject": "new"}
    assert await edge.rejection(json.dumps(added).encode()) == 403
    taken = json.loads(SNS.signed(notification()))
    del taken["Subject"]
    assert await edge.rejection(json.dumps(taken).encode()) == 403


async def test_a_confirmation_cannot_be_passed_off_as_a_notification(edge: ReceiverSetup) -> None:
    disguised = json.loads(SNS.signed(confirmation())) | {"Type": "Notification"}
    assert await edge.rejection(json.dumps(disguised).encode()) == 403


async def test_a_message_signed_with_another_key_is_rejected(edge: ReceiverSetup) -> None:
    assert await edge.rejection(STRANGER.signed(notification())) == 403


async def test_signature_version_1_is_rejected_before_anything_is_fetched(edge: ReceiverSetup) -> None:
    assert await edge.rejection(SNS.signed_as_version_1(notification())) == 403
    assert await edge.rejection(SNS.signed(notification(SignatureVersion="3"))) == 403
    assert edge.network.fetched == []


async def test_signature_version_1_is_accepted_if_the_settings_allow_it() -> None:
    edge = ReceiverSetup(signature_v1=True)
    assert isinstance(await edge.receive(SNS.signed_as_version_1(notification())), RecordNotification)
    assert isinstance(await edge.receive(SNS.signed(notification())), RecordNotification)
    version_1_in_name_only = SNS.signed(notification(SignatureVersion="1"))
    assert await edge.rejection(version_1_in_name_only) == 403


async def test_an_unlisted_topic_is_rejected_before_anything_is_fetched(edge: ReceiverSetup) -> None:
    assert await edge.rejection(SNS.signed(notification(TopicArn=TOPIC + "2"))) == 403
    assert edge.network.fetched == []


async def test_an_empty_list_of_topics_accepts_nothing() -> None:
    edge = ReceiverSetup("")
    assert await edge.rejection(SNS.signed(notification())) == 403


@pytest.mark.parametrize(("sent_at", "status"), [
    (NOW - timedelta(minutes=70), None), (NOW - timedelta(minutes=70, milliseconds=1), 403),
    (NOW + timedelta(minutes=5), None), (NOW + timedelta(minutes=5, milliseconds=1), 403),
])  # fmt: skip
async def test_a_message_may_be_70_minutes_old_and_5_minutes_ahead(
    edge: ReceiverSetup, sent_at: datetime, status: int | None
) -> None:
    body = SNS.signed(notification(Timestamp=sent_at.isoformat().replace("+00:00", "Z")))
    if status:
        assert await edge.rejection(body) == status
    else:
        assert await edge.receive(body)


REGION = "sns.eu-west-1.amazonaws.com"
PEM = "SimpleNotificationService-0abc.pem"


@pytest.mark.parametrize("url", [
    f"http://{REGION}/{PEM}",
    f"https://{REGION}@evil.example/{PEM}",
    f"https://user:pass@{REGION}/{PEM}",
    f"https://{REGION}.evil.example/{PEM}",
    f"https://evil.example/{REGION}/{PEM}",
    f"https://sns-x.s3.amazonaws.com/{PEM}",
    f"https://sns.eu-west-1.amazonaws.com.cn.evil/{PEM}",
    f"https://snsXeu-west-1.amazonaws.com/{PEM}",
    f"https://{REGION}:8443/{PEM}",
    f"https://{REGION}/{PEM}\n",
    f"https://{REGION}/{PEM}?x=1",
    f"https://{REGION}/{PEM}#x",
    f"https://{REGION}\\@evil.example/{PEM}",
    f"https://{REGION}/../{PEM}",
    f"https://{REGION}/other/{PEM}",
    f"https://{REGION}/SimpleNotificationService-XYZ.pem",
    f"https://{REGION}/SimpleNotificationService-.pem",
    f"https://{REGION}/SimpleNotificationService-0abc.pem.exe",
    f"https://sns.eu-wеst-1.amazonaws.com/{PEM}",
    f" https://{REGION}/{PEM}",
    f"HTTPS://{REGION}/{PEM}",
    f"file:///{PEM}",
    f"https://[::1]/{PEM}",
    "https://169.254.169.254/latest/meta-data",
    LOCAL_CERTIFICATE,
    "",
])  # fmt: skip
async def test_a_certificate_is_never_fetched_from_elsewhere(edge: ReceiverSetup, url: str) -> None:
    assert await edge.rejection(SNS.signed(notification(SigningCertURL=url))) == 403
    assert edge.network.fetched == []


@pytest.mark.parametrize("body", [
    b"", b"null", b"[]", b"{}", b"\xff\xfe", b"{" * 100_000, b'{"a":' * 50_000, b'{"Type":"Notification"}',
    json.dumps(notification(Signature="AAAA", Type="Advertisement")).encode(),
    json.dumps(notification(Signature="AAAA", MessageId="not an id")).encode(),
    json.dumps(notification(Signature="AAAA", Timestamp="yesterday")).encode(),
    json.dumps(notification(Signature="AAAA", Timestamp="2026-11-20T09:29:58")).encode(),
    json.dumps(notification(Signature="AAAA", Message=7)).encode(),
    json.dumps(notification(Signature="AAAA", Type="SubscriptionConfirmation")).encode(),
    json.dumps(notification(Signature="AAAA", Message="x")).replace("x", "\\ud800").encode(),
])  # fmt: skip
async def test_a_body_that_is_not_an_sns_message_is_a_400(edge: ReceiverSetup, body: bytes) -> None:
    assert await edge.rejection(body) == 400


async def test_a_body_that_is_too_long_is_not_parsed(edge: ReceiverSetup) -> None:
    assert await edge.rejection(b" " * (256 * 1024 + 1)) == 413


PIECES = st.none() | st.integers() | st.text() | st.sampled_from(["Notification", TOPIC, "2", CERTIFICATE_URL])
JSON = st.recursive(
    PIECES, lambda inner: st.dictionaries(st.sampled_from(list(confirmation())), inner) | st.lists(inner)
)


@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
async def test_any_malformed_input_is_rejected(body: bytes) -> None:
    assert await ReceiverSetup().rejection(body) in (400, 403)


@pytest.mark.parametrize("url", [
    f"https://evil.example/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    f"http://{REGION}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    f"{AMAZON}/?Action=DeleteTopic&TopicArn={TOPIC}&Token=2336412f37",
    f"{AMAZON}/?Action=ConfirmSubscription&TopicArn={TOPIC}2&Token=2336412f37",
    f"{AMAZON}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=another",
    f"{AMAZON}/?Action=ConfirmSubscription&Action=DeleteTopic&TopicArn={TOPIC}&Token=2336412f37",
    f"{AMAZON}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37#x",
    f"{AMAZON}/path?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    f"{LOCAL}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    "",
])  # fmt: skip
async def test_no_other_address_is_fetched_to_confirm_a_subscription(edge: ReceiverSetup, url: str) -> None:
    assert await edge.rejection(SNS.signed(confirmation(SubscribeURL=url))) == 403
    assert edge.network.fetched == [CERTIFICATE_URL]


async def test_a_confirmation_that_sns_does_not_accept_is_retried(edge: ReceiverSetup) -> None:
    assert await edge.rejection(SNS.signed(confirmation())) == 502


# --- certificates ----------------------------------------------------------------------------------------------------


async def test_a_certificate_is_fetched_once_for_many_messages(edge: ReceiverSetup) -> None:
    await asyncio.gather(*(edge.receive(SNS.signed(notification())) for _ in range(20)))
    assert edge.network.fetched == [CERTIFICATE_URL]


async def test_a_certificate_is_fetched_again_after_a_day(edge: ReceiverSetup) -> None:
    await edge.receive(SNS.signed(notification()))
    edge.now += timedelta(hours=24)
    await edge.receive(SNS.signed(notification(Timestamp=edge.now.isoformat())))
    assert edge.network.fetched == [CERTIFICATE_URL, CERTIFICATE_URL]


async def test_a_kept_certificate_is_not_trusted_after_it_expires(edge: ReceiverSetup) -> None:
    brief = Signer(new_key(), valid=timedelta(hours=1))
    edge.network.bodies[CERTIFICATE_URL] = brief.pem
    assert await edge.receive(brief.signed(notification()))
    edge.now += timedelta(hours=2)
    assert await edge.rejection(brief.signed(notification(Timestamp=edge.now.isoformat()))) == 403


async def test_at_most_32_certificates_are_kept(edge: ReceiverSetup) -> None:
    urls = [f"{AMAZON}/SimpleNotificationService-{number:04x}.pem" for number in range(40)]
    edge.network.bodies |= dict.fromkeys(urls, SNS.pem)
    for url in [*urls, urls[-32], urls[0]]:
        await edge.receive(SNS.signed(notification(SigningCertURL=url)))
    assert edge.network.fetched == [*urls, urls[0]]


@pytest.mark.parametrize("body", [
    b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    Signer(new_key(), valid=timedelta(days=-1)).pem,
    Signer(ec.generate_private_key(ec.SECP256R1())).pem,
    Signer(new_key(1024)).pem,
])  # fmt: skip
async def test_a_message_with_an_unsuitable_certificate_is_rejected(edge: ReceiverSetup, body: bytes) -> None:
    edge.network.bodies[CERTIFICATE_URL] = body
    assert await edge.rejection(SNS.signed(notification())) == 403


async def test_a_message_whose_certificate_cannot_be_fetched_is_retried(edge: ReceiverSetup) -> None:
    del edge.network.bodies[CERTIFICATE_URL]
    assert await edge.rejection(SNS.signed(notification())) == 503
    edge.network.bodies[CERTIFICATE_URL] = SNS.pem
    assert await edge.receive(SNS.signed(notification()))


# --- development -----------------------------------------------------------------------------------------------------


def local(build: Callable[..., dict[str, Any]] = notification, **changes: Any) -> dict[str, Any]:
    return build(**{"SigningCertURL": LOCAL_CERTIFICATE} | changes)


async def test_a_sandbox_is_trusted_if_its_authority_is(development: ReceiverSetup) -> None:
    assert isinstance(await development.receive(SANDBOX.signed(local())), RecordNotification)
    message = local(confirmation, origin=LOCAL)
    development.network.bodies[message["SubscribeURL"]] = b"<ok/>"
    assert await development.receive(SANDBOX.signed(message)) == SubscriptionChanged(topic_arn=TOPIC, subscribed=True)


async def test_amazon_is_trusted_beside_a_sandbox(development: ReceiverSetup) -> None:
    assert isinstance(await development.receive(SNS.signed(notification())), RecordNotification)


async def test_a_local_certificate_of_another_authority_is_rejected(development: ReceiverSetup) -> None:
    other = Signer(new_key(), name="sandbox CA", is_ca=True)
    for signer in (STRANGER, Signer(new_key(), issuer=other), other):
        development.network.bodies[LOCAL_CERTIFICATE] = signer.pem
        assert await development.rejection(signer.signed(local())) == 403


async def test_a_certificate_that_the_sandbox_certified_is_not_an_authority(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(SANDBOX.pem)
    edge = ReceiverSetup(trust_ca=tmp_path / "ca.pem")
    under = Signer(new_key(), issuer=SANDBOX)
    edge.network.bodies[LOCAL_CERTIFICATE] = under.pem
    assert await edge.rejection(under.signed(local())) == 403


@pytest.mark.parametrize("url", [
    f"http://10.0.0.5:8010/{PEM}", f"http://localhost.evil.example/{PEM}", f"https://127.0.0.1/{PEM}",
    f"http://127.0.0.1@evil.example/{PEM}", f"http://[::1]:8010/{PEM}", f"http://0x7f.1/{PEM}",
])  # fmt: skip
async def test_with_a_sandbox_no_other_host_is_fetched_from(development: ReceiverSetup, url: str) -> None:
    assert await development.rejection(SANDBOX.signed(local(SigningCertURL=url))) == 403
    assert development.network.fetched == []


async def test_a_message_from_amazon_cannot_make_us_fetch_a_local_address(development: ReceiverSetup) -> None:
    assert await development.rejection(SNS.signed(confirmation(origin=LOCAL))) == 403
    assert development.network.fetched == [CERTIFICATE_URL]


async def test_a_message_is_retried_while_the_authority_is_missing(tmp_path: Path) -> None:
    edge = ReceiverSetup(trust_ca=tmp_path / "ca.pem")
    assert await edge.rejection(SANDBOX.signed(local())) == 503
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    assert await edge.receive(SANDBOX.signed(local()))


async def test_messages_of_the_shipped_sandbox_are_accepted(tmp_path: Path) -> None:
    signer = load_signer(tmp_path)
    topic = Topic(TOPIC, LOCAL, signer.certificate_name)
    envelope = signer.sign(topic.notification(str(UUID(int=7)), "Subject", "{}", now().timestamp(), "subscription"))
    edge = ReceiverSetup(trust_ca=tmp_path / "ca.pem")
    edge.now = now()
    edge.network.bodies[f"{LOCAL}/{signer.certificate_name}"] = signer.certificate
    assert isinstance(await edge.receive(json.dumps(envelope).encode()), RecordNotification)


# --- settings and the bus --------------------------------------------------------------------------------------------


async def test_the_settings_name_the_topics() -> None:
    receiver = receiver_from(Settings(database_url="", sns_topic_arns=f" {TOPIC} ,, other"))
    with pytest.raises(SnsRejected, match="SignatureVersion"):
        await receiver.receive(SNS.signed_as_version_1(notification()))
    with pytest.raises(SnsRejected, match="topic"):
        await receiver.receive(SNS.signed(notification(TopicArn="")))


async def test_a_single_notification_is_published_under_its_own_id(edge: ReceiverSetup) -> None:
    received = await edge.receive(SNS.signed(notification()))
    assert isinstance(received, RecordNotification)
    message = ingest_message([received])
    assert (message.subject, message.headers["Nats-Msg-Id"]) == ("ingest.sns", str(received.notification_id))
    assert json.loads(message.body)["type"] == "record-notification"


async def test_a_batch_of_notifications_is_a_new_message_each_time(edge: ReceiverSetup) -> None:
    received = await edge.receive(SNS.signed(notification()))
    assert isinstance(received, RecordNotification)
    once, again = ingest_message([received] * 2), ingest_message([received] * 2)
    assert once.headers["Nats-Msg-Id"] != again.headers["Nats-Msg-Id"]
    assert [each["message"] for each in json.loads(once.body)["notifications"]] == [received.message] * 2
