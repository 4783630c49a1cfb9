"""The ledger is the truth: whatever was acknowledged is there, whatever happens to the process."""

import http.client
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from tests.sandbox.conftest import StartSandbox
from tests.sandbox.running import QUIET, Sandbox, Subscriber, eventually, unique_address

PATH = "/v2/email/outbound-emails"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=any"}


def test_every_acknowledged_message_survives_kill_9(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox("--max-send-rate", "100000")
    acknowledged: list[str] = []
    senders = [threading.Thread(target=_send_until_cut_off, args=(sandbox.port, acknowledged)) for _ in range(8)]
    for sender in senders:
        sender.start()
    eventually(lambda: len(acknowledged) > 500)
    sandbox.kill()
    for sender in senders:
        sender.join()
    sandbox.start()
    kept = {message["id"]: message for message in sandbox.messages("limit=100000&fields=id,text")}
    assert set(acknowledged) <= set(kept)
    assert {kept[message_id]["text"] for message_id in acknowledged} == {"Hi"}


def test_notifications_pending_at_kill_9_are_delivered_after_it(
    start_sandbox: StartSandbox, own_subscriber: Subscriber
) -> None:
    sandbox = start_sandbox("--subscriber", own_subscriber.url)
    sandbox.post("/sandbox/behaviour", QUIET)
    eventually(lambda: sandbox.get("/sandbox/notifications")["subscriptions"][0]["confirmed"])
    sandbox.post("/sandbox/notifications", {"mode": "paused"})
    message_id = sandbox.send(unique_address())
    sandbox.kill()
    sandbox.start()
    own_subscriber.wait_for(message_id, "Send", "Delivery")


def test_a_stopped_sandbox_continues_where_it_was(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    to = unique_address()
    first = sandbox.send(to)
    sandbox.ses.create_email_identity(EmailIdentity="example.org")
    sandbox.process.terminate()
    assert sandbox.process.wait(5) == 0
    sandbox.start()
    second = sandbox.send(to)
    assert [message["id"] for message in sandbox.messages(f"to={to}")] == [second, first]
    assert sandbox.ses.get_account()["SendQuota"]["SentLast24Hours"] == 2
    assert sandbox.ses.get_email_identity(EmailIdentity="example.org")["VerifiedForSendingStatus"]


def test_messages_can_be_cleared(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    sandbox.send(unique_address())
    sandbox.delete("/sandbox/messages")
    assert sandbox.get("/sandbox/messages") == {"messages": [], "total": 0}
    message_id = sandbox.send(unique_address(), html="<p>after</p>")
    (mail,) = sandbox.messages()
    assert (mail["id"], mail["html"]) == (message_id, "<p>after</p>")


def test_stats_show_how_many_emails_were_accepted_twice(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    for email_id in ("one", "two", "two"):
        sandbox.send(unique_address(), email_id=email_id)
    stats = sandbox.get("/sandbox/stats")
    assert (stats["accepted"], stats["recipients"]) == (3, 3)
    assert (stats["emailIds"], stats["emailIdsAcceptedTwice"]) == (2, 1)


def test_twenty_thousand_messages_do_not_grow_its_memory(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox("--max-send-rate", "1000000")
    for _ in range(400):
        sandbox.ses.send_bulk_email(
            FromEmailAddress="a@example.com",
            DefaultContent={"Template": {"TemplateContent": {"Subject": "Hi", "Html": "<p>Hello</p>" * 250}}},
            BulkEmailEntries=[{"Destination": {"ToAddresses": [unique_address()]}} for _ in range(50)],
        )
    assert sandbox.get("/sandbox/messages?limit=1")["total"] == 20_000
    assert _rss_mb(sandbox.process.pid) < 70


def test_a_taken_port_and_a_taken_directory_end_it_with_one_clear_line(sandbox: Sandbox, tmp_path: Path) -> None:
    taken_port = _run(f"--port={sandbox.port}", f"--data-dir={tmp_path}")
    assert taken_port.returncode == 1
    assert taken_port.stderr.count("\n") == 1
    assert f"127.0.0.1:{sandbox.port}" in taken_port.stderr
    taken_directory = _run("--port=1", f"--data-dir={sandbox.data_dir}")
    assert taken_directory.returncode == 1


def _run(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deploy.sandbox", *options], capture_output=True, text=True, timeout=20
    )


def _body() -> bytes:
    content = {"Simple": {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hi"}}}}
    destination = {"ToAddresses": [unique_address()]}
    return msgspec.json.encode({"FromEmailAddress": "a@example.com", "Destination": destination, "Content": content})


def _send_until_cut_off(port: int, acknowledged: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        while True:
            connection.request("POST", PATH, _body(), SIGNED)
            acknowledged.append(msgspec.json.decode(connection.getresponse().read())["MessageId"])
    except (OSError, http.client.HTTPException):
        return


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
