"""What `godwit doctor` finds, and that it says what to do: boto3 over HTTP against moto, and against the sandbox where
moto lacks a call. What neither of them can be brought to say is answered by a server that says what it is told."""

import json
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import asyncpg
import boto3
import nats
import pytest
from moto.server import ThreadedMotoServer
from nats.js.api import StorageType, StreamConfig

from deploy.doctor import notifications, servers, ses
from deploy.doctor.deployment import Deployment
from deploy.doctor.diagnosis import Diagnosis
from deploy.embedded.backend import Backend
from deploy.embedded.backend import running as servers_in
from deploy.embedded.layout import Layout
from deploy.embedded.nats import find_binary
from deploy.embedded.ports import free_ports, listening_error
from deploy.provisioning import streams
from deploy.provisioning.prepare import prepare_services
from deploy.services import declared_services
from libs.runtime.process.testing import eventually as until
from tests.sandbox.running import Sandbox, eventually

REGION = "eu-west-1"
TOPIC = f"arn:aws:sns:{REGION}:000000000000:godwit-sandbox"
KEYS: dict[str, Any] = {"aws_access_key_id": "any", "aws_secret_access_key": "thing", "region_name": REGION}
HEALTHY: dict[str, Any] = {
    "SendingEnabled": True,
    "EnforcementStatus": "HEALTHY",
    "ProductionAccessEnabled": True,
    "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 10.0},
}
SIGNED = {
    "VerifiedForSendingStatus": True,
    "DkimAttributes": {"Status": "SUCCESS", "SigningEnabled": True},
    "MailFromAttributes": {},
}
ACCOUNT, SET = "/v2/email/account", "/v2/email/configuration-sets/godwit"


class CannedResponses(BaseHTTPRequestHandler):
    """Responds with what `said` holds for the path, and otherwise with 404."""

    said: ClassVar[dict[str, tuple[int, Any]]] = {}
    clock_off: ClassVar[float] = 0.0

    def do_GET(self) -> None:
        status, body = self.said.get(self.path.rstrip("/"), (404, {"message": "There is no such thing."}))
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() + self.clock_off, usegmt=True))
        if status >= 400:
            self.send_header("x-amzn-ErrorType", "NotFoundException" if status == 404 else "AccessDeniedException")
        written = json.dumps(body).encode()
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def answering(said: dict[str, Any], clock_off: float = 0.0) -> Iterator[str]:
    """A server's address. A body may come with its status."""
    whole = {path: item if isinstance(item, tuple) else (200, item) for path, item in said.items()}
    handler = type("Told", (CannedResponses,), {"said": whole, "clock_off": clock_off})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    (port,) = free_ports(1)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    started = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Servers that nobody has set up."""
    with servers_in(tmp_path_factory.mktemp("bare")) as backend:
        yield backend


def deployment(url: str, **changes: Any) -> Deployment:
    usual: dict[str, Any] = {
        "admin_url": "postgresql://127.0.0.1:1/none",
        "nats_url": "nats://127.0.0.1:1",
        "nats_monitor_url": None,
        "region": REGION,
        "endpoint_url": url,
        "configuration_set": "godwit",
        "topic_arns": (TOPIC,),
        "queue_url": None,
        "public_url": "https://mail.example.com",
        "access_key_id": "any",
        "secret_access_key": "thing",
    }
    return Deployment(**usual | changes)


def of_ses(where: Deployment, *domains: str) -> dict[str, Diagnosis]:
    return {item.check: item for item in ses.examine(where, domains)}


def of_notifications(where: Deployment) -> dict[str, Diagnosis]:
    return {item.check: item for item in notifications.examine(where)}


def account(**changes: Any) -> dict[str, Any]:
    return {ACCOUNT: HEALTHY | changes}


def problem(diagnosis: Diagnosis, *words: str) -> None:
    assert diagnosis.verdict == "problem" and diagnosis.todo
    assert all(word in f"{diagnosis.found} {diagnosis.todo}" for word in words), diagnosis


def warned(diagnosis: Diagnosis, *words: str) -> None:
    assert diagnosis.verdict == "warning" and diagnosis.todo
    assert all(word in f"{diagnosis.found} {diagnosis.todo}" for word in words), diagnosis


# --- SES -------------------------------------------------------------------------------------------------------------


def test_credentials_that_ses_does_not_accept() -> None:
    with answering({ACCOUNT: (403, {"message": "The security token included in the request is invalid."})}) as url:
        [diagnosis] = ses.examine(deployment(url), [])
    problem(diagnosis, "security token", "AWS_ACCESS_KEY_ID", REGION)


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    [diagnosis] = ses.examine(deployment("http://127.0.0.1:1", access_key_id=None, secret_access_key=None), [])
    assert diagnosis.check == "SES credentials"
    problem(diagnosis, "Unable to locate credentials", "AWS_ACCESS_KEY_ID")


def test_an_ses_that_cannot_be_reached() -> None:
    [diagnosis] = ses.examine(deployment("http://127.0.0.1:1"), [])
    problem(diagnosis, "Could not connect", "AWS_REGION")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"SendingEnabled": False}, ("sending is disabled", "SES console")),
        ({"EnforcementStatus": "PROBATION"}, ("PROBATION", "Answer AWS's inquiry")),
    ],
)
def test_an_account_that_may_not_send(said: dict[str, Any], words: tuple[str, ...]) -> None:
    with answering(account(**said)) as url:
        problem(of_ses(deployment(url))["SES account"], *words)


def test_an_account_in_the_sandbox_of_ses() -> None:
    with answering(account(ProductionAccessEnabled=False)) as url:
        warned(of_ses(deployment(url))["SES account"], "sandbox", "production access")


def test_a_daily_quota_that_is_nearly_used_up(sandbox: Sandbox) -> None:
    with answering(account(SendQuota={"Max24HourSend": 200, "MaxSendRate": 1, "SentLast24Hours": 195})) as url:
        warned(of_ses(deployment(url))["SES quota"], "195 of 200 today", "higher quota")
    assert of_ses(deployment(sandbox.url))["SES quota"].verdict == "ok"


def test_a_clock_that_is_off() -> None:
    with answering(account(), clock_off=-400.0) as url:
        problem(of_ses(deployment(url))["clock"], "s off", "NTP")
    with answering(account()) as url:
        assert of_ses(deployment(url))["clock"].verdict == "ok"


def test_a_domain_that_ses_does_not_know_or_has_not_verified(sandbox: Sandbox) -> None:
    sandbox.post("/sandbox/account", {"verifyNewIdentities": False})
    sandbox.ses.create_email_identity(EmailIdentity="unverified.example")
    found = of_ses(deployment(sandbox.url), "stranger.example", "unverified.example")
    warned(found["domain stranger.example"], "does not know it", "POST /domains")
    problem(found["domain unverified.example"], "not verified", "DNS records", "GET /domains")


@pytest.mark.parametrize(
    "dkim", [{"Status": "FAILED", "SigningEnabled": True}, {"Status": "SUCCESS", "SigningEnabled": False}]
)
def test_a_domain_whose_mail_is_not_signed(dkim: dict[str, Any]) -> None:
    identity = SIGNED | {"DkimAttributes": dkim}
    with answering(account() | {"/v2/email/identities/a.example": identity}) as url:
        problem(of_ses(deployment(url), "a.example")["domain a.example"], "DKIM", "CNAME")


def test_a_mail_from_domain_that_lacks_its_records() -> None:
    pending = {"MailFromDomain": "bounces.a.example", "MailFromDomainStatus": "PENDING"}
    identity = SIGNED | {"MailFromAttributes": pending}
    with answering(account() | {"/v2/email/identities/a.example": identity}) as url:
        warned(of_ses(deployment(url), "a.example")["domain a.example"], "MAIL FROM PENDING", "MX and TXT")


def test_credentials_that_may_send_but_not_look() -> None:
    refused = (403, {"message": "not authorized to perform: ses:GetEmailIdentity"})
    with answering(account() | {"/v2/email/identities/a.example": refused, SET: refused}) as url:
        found = of_ses(deployment(url), "a.example")
    warned(found["domain a.example"], "not authorized", "read identities")
    warned(found["configuration set godwit"], "not authorized")


def test_a_configuration_set_that_is_not_there(sandbox: Sandbox) -> None:
    found = of_ses(deployment(sandbox.url, configuration_set="elsewhere"))
    problem(found["configuration set elsewhere"], "does not know it", "GODWIT_CONFIGURATION_SET")


def reporting(sandbox: Sandbox, name: str, kinds: list[Any], topic: str = TOPIC) -> dict[str, Diagnosis]:
    """What is found of a new configuration set that reports these events."""
    sandbox.ses.create_configuration_set(ConfigurationSetName=name)
    destination: Any = {"Enabled": True, "MatchingEventTypes": kinds, "SnsDestination": {"TopicArn": topic}}
    sandbox.ses.create_configuration_set_event_destination(
        ConfigurationSetName=name, EventDestinationName="sns", EventDestination=destination
    )
    return of_ses(deployment(sandbox.url, configuration_set=name))


def test_events_that_are_not_reported(sandbox: Sandbox) -> None:
    found = reporting(sandbox, "forgetful", ["SEND", "DELIVERY", "OPEN", "CLICK"])
    problem(found["events of emails"], "BOUNCE", "COMPLAINT", "SNS event destination")
    found = reporting(sandbox, "unseeing", list(ses.REQUIRED_EVENTS))
    warned(found["events of emails"], "OPEN, CLICK", "opens and clicks")
    found = reporting(sandbox, "complete", [*ses.REQUIRED_EVENTS, *ses.OPTIONAL_EVENTS])
    assert {found[check].verdict for check in ("events of emails", "topic allow-list")} == {"ok"}


def test_a_topic_that_is_not_on_the_list(sandbox: Sandbox) -> None:
    other = f"arn:aws:sns:{REGION}:000000000000:another"
    found = reporting(sandbox, "elsewhere-bound", [*ses.REQUIRED_EVENTS, *ses.OPTIONAL_EVENTS], other)
    problem(found["topic allow-list"], other, "GODWIT_SNS_TOPIC_ARNS")


# --- the way back ----------------------------------------------------------------------------------------------------


@pytest.fixture
def topic(moto: str) -> str:
    arn: str = boto3.client("sns", endpoint_url=moto, **KEYS).create_topic(Name="godwit")["TopicArn"]
    return arn


def test_neither_a_topic_nor_a_queue(moto: str) -> None:
    found = of_notifications(deployment(moto, topic_arns=()))
    problem(found["notifications"], "GODWIT_SNS_TOPIC_ARNS", "GODWIT_SQS_QUEUE_URL")


def test_a_topic_to_which_nobody_here_is_subscribed(moto: str, topic: str) -> None:
    sns = boto3.client("sns", endpoint_url=moto, **KEYS)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@example.com")
    found = of_notifications(deployment(moto, topic_arns=(topic,)))
    problem(found["SNS subscription"], "none leads here", "https://mail.example.com/webhooks/sns")
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://mail.example.com/webhooks/sns")
    assert of_notifications(deployment(moto, topic_arns=(topic,)))["SNS subscription"].verdict == "ok"


def test_a_subscription_that_was_never_confirmed() -> None:
    member = (
        "<member><TopicArn>{0}</TopicArn><Protocol>https</Protocol><SubscriptionArn>PendingConfirmation"
        "</SubscriptionArn><Owner>1</Owner><Endpoint>https://mail.example.com/webhooks/sns</Endpoint></member>"
    )
    listed = (
        '<ListSubscriptionsByTopicResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
        f"<ListSubscriptionsByTopicResult><Subscriptions>{member.format(TOPIC)}</Subscriptions>"
        "</ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
    )
    with answering_in_xml(listed) as url:
        problem(
            of_notifications(deployment(url))["SNS subscription"], "not confirmed", "webhooks/sns", "confirmation again"
        )


def test_a_topic_that_is_not_there(moto: str) -> None:
    found = of_notifications(deployment(moto, topic_arns=(f"{TOPIC}-not-there",)))
    warned(found["SNS subscription"], "list the subscriptions")


def test_a_queue_that_is_not_there_and_one_that_is(moto: str) -> None:
    sqs = boto3.client("sqs", endpoint_url=moto, **KEYS)
    url = sqs.create_queue(QueueName="godwit")["QueueUrl"]
    found = of_notifications(deployment(moto, topic_arns=(), queue_url=url))
    assert found["SQS queue"].verdict == "ok" and found["SQS queue"].found == "0 notifications wait"
    found = of_notifications(deployment(moto, topic_arns=(), queue_url=url.replace("godwit", "not-there")))
    problem(found["SQS queue"], "GODWIT_SQS_QUEUE_URL")


def test_a_topic_that_feeds_another_queue_than_ours(moto: str, topic: str) -> None:
    sns, sqs = (boto3.client(name, endpoint_url=moto, **KEYS) for name in ("sns", "sqs"))
    ours = sqs.create_queue(QueueName="ours")["QueueUrl"]
    other = boto3.client("sns", endpoint_url=moto, **KEYS).create_topic(Name="feeding")["TopicArn"]
    sns.subscribe(TopicArn=other, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:theirs")
    where = deployment(moto, topic_arns=(other,), queue_url=ours)
    problem(of_notifications(where)["SNS subscription"], "none leads here", "SQS queue")
    sns.subscribe(TopicArn=other, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:ours")
    assert of_notifications(where)["SNS subscription"].verdict == "ok"


def test_a_queue_that_nobody_empties(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "MAX_QUEUED", 2)
    sqs = boto3.client("sqs", endpoint_url=moto, **KEYS)
    url = sqs.create_queue(QueueName="full")["QueueUrl"]
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    warned(
        of_notifications(deployment(moto, topic_arns=(), queue_url=url))["SQS queue"], "3 notifications wait", "replica"
    )


@contextmanager
def answering_in_xml(body: str) -> Iterator[str]:
    class Told(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


# --- Postgres and NATS -----------------------------------------------------------------------------------------------


async def of_servers(found: AsyncIterator[Diagnosis]) -> dict[str, Diagnosis]:
    return {item.check: item async for item in found}


async def test_servers_that_are_not_there() -> None:
    where = deployment("http://127.0.0.1:1")
    problem((await of_servers(servers.postgres(where)))["Postgres"], "GODWIT_ADMIN_DATABASE_URL")
    problem((await of_servers(servers.bus(where)))["NATS"], "nats://127.0.0.1:1", "Connect call failed", "NATS_URL")
    assert await servers.domains_of(where) == []


async def test_servers_that_nobody_has_set_up(bare: Backend) -> None:
    where = deployment("http://127.0.0.1:1", admin_url=bare.admin_url, nats_url=bare.nats_url)
    problem((await of_servers(servers.postgres(where)))["schemas"], "godwit migrate")
    found = await of_servers(servers.bus(where))
    problem(found["stream COMMANDS"], "godwit migrate")
    warned(found["NATS durability"], "--nats-monitor", "sync_interval: always")


async def test_streams_that_are_kept_in_memory_and_letters_that_nobody_could_handle(bare: Backend) -> None:
    client = await nats.connect(bare.nats_url)
    js = client.jetstream()
    for stream in streams.STREAMS:
        storage = StorageType.MEMORY if stream.name == "INGEST" else StorageType.FILE
        await js.add_stream(StreamConfig(name=stream.name, subjects=[*stream.subjects], storage=storage))
    await js.publish("dead.a.letter", b"?")
    try:
        found = await of_servers(servers.bus(deployment("http://127.0.0.1:1", nats_url=bare.nats_url)))
    finally:
        for stream in streams.STREAMS:
            await js.delete_stream(stream.name)
        await client.close()
    problem(found["NATS streams"], "INGEST", "files")
    warned(found["dead letters"], "godwit dead list")


@pytest.mark.parametrize(
    ("jetstream", "verdict"),
    [({"sync_interval": 120_000_000_000}, "problem"), ({"sync_always": True, "sync_interval": 1}, "ok")],
)
async def test_a_nats_that_does_not_sync_what_it_acknowledges(
    bare: Backend, jetstream: dict[str, Any], verdict: str
) -> None:
    with answering({"/varz": {"jetstream": {"config": jetstream}}}) as monitor:
        where = deployment("http://127.0.0.1:1", nats_url=bare.nats_url, nats_monitor_url=monitor)
        diagnosis = (await of_servers(servers.bus(where)))["NATS durability"]
    assert diagnosis.verdict == verdict
    assert verdict == "ok" or ("120 s" in diagnosis.found and "sync_interval: always" in diagnosis.todo)


async def test_a_nats_that_lets_everybody_in(bare: Backend, tmp_path: Path) -> None:
    where = deployment("http://127.0.0.1:1", nats_url=bare.nats_url)
    assert (await of_servers(servers.bus(where)))["NATS access"].verdict == "ok"
    with nats_without_users(tmp_path) as url:
        found = await of_servers(servers.bus(deployment("http://127.0.0.1:1", nats_url=url)))
    problem(found["NATS access"], "anybody", "godwit bus users")


async def test_a_postgres_that_asks_for_no_password(tmp_path: Path) -> None:
    with servers_in(tmp_path) as backend:
        await prepare_services(backend.admin_url, backend.nats_url, declared_services(["delivery", "feedback"]))
        where = deployment("http://127.0.0.1:1", admin_url=backend.admin_url)
        assert (await of_servers(servers.postgres(where)))["Postgres access"].verdict == "ok"
        (Layout(tmp_path).cluster / "pg_hba.conf").write_text("local all all trust\n")
        conn = await asyncpg.connect(backend.admin_url)
        await conn.execute("select pg_reload_conf()")
        await conn.close()

        async def trusted() -> bool:
            return (await of_servers(servers.postgres(where)))["Postgres access"].verdict == "warning"

        assert await until(trusted, within=10)


@contextmanager
def nats_without_users(directory: Path) -> Iterator[str]:
    [port] = free_ports(1)
    command = [str(find_binary()), "--addr=127.0.0.1", f"--port={port}", "--jetstream", f"--store_dir={directory}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        eventually(lambda: listening_error(port) is not None)
        yield f"nats://127.0.0.1:{port}"
        server.terminate()


async def test_a_postgres_that_may_lose_what_it_committed(bare: Backend) -> None:
    where = deployment("http://127.0.0.1:1", admin_url=f"{bare.admin_url}&options=-c%20synchronous_commit%3Doff")
    problem((await of_servers(servers.postgres(where)))["Postgres durability"], "synchronous_commit", "Turn")
    sound = deployment("http://127.0.0.1:1", admin_url=bare.admin_url)
    assert (await of_servers(servers.postgres(sound)))["Postgres durability"].verdict == "ok"


async def test_a_table_whose_rows_every_query_sees_is_a_problem(tmp_path: Path) -> None:
    with servers_in(tmp_path) as backend:
        await prepare_services(backend.admin_url, backend.nats_url, declared_services(["delivery", "feedback"]))
        where = deployment("http://127.0.0.1:1", admin_url=backend.admin_url)
        assert (await of_servers(servers.postgres(where)))["row-level security"].verdict == "ok"
        conn = await asyncpg.connect(backend.admin_url)
        await conn.execute("alter table delivery.domain disable row level security")
        await conn.close()
        problem((await of_servers(servers.postgres(where)))["row-level security"], "delivery.domain", "godwit migrate")
