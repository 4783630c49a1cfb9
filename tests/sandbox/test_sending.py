"""SendEmail, SendBulkEmail and GetAccount through boto3."""

import http.client
import json
import time
from email.message import EmailMessage
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import StartSandbox
from tests.sandbox.running import Sandbox, eventually, unique_address

HTML = "<h1>Grüß Gott</h1>"


def refused(error: ClientError) -> tuple[int, str, str]:
    answer = error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_a_simple_email_is_accepted_and_can_be_read(sandbox: Sandbox) -> None:
    to, email_id = unique_address(), str(uuid4())
    answer = sandbox.ses.send_email(
        FromEmailAddress="News <news@example.com>",
        Destination={"ToAddresses": [f"Ann <{to}>"]},
        ReplyToAddresses=["help@example.com"],
        Content={
            "Simple": {
                "Subject": {"Data": "Grüße 🐦"},
                "Body": {"Html": {"Data": HTML}, "Text": {"Data": "Grüß Gott"}},
                "Headers": [{"Name": "X-Godwit", "Value": "yes"}],
            }
        },
        EmailTags=[{"Name": "godwit_email", "Value": email_id}, {"Name": "kind", "Value": "test"}],
        ConfigurationSetName="default",
    )
    (mail,) = sandbox.messages(f"to={to}")
    assert mail["id"] == answer["MessageId"]
    assert mail["emailId"] == email_id
    assert mail["tags"] == {"godwit_email": email_id, "kind": "test"}
    assert (mail["from"], mail["to"]) == ("News <news@example.com>", [to])
    assert (mail["subject"], mail["html"], mail["text"]) == ("Grüße 🐦", HTML, "Grüß Gott")
    assert mail["headers"]["X-Godwit"] == "yes"
    assert mail["headers"]["Reply-To"] == "help@example.com"
    assert mail["acceptedAt"].endswith("Z")
    assert "multipart/alternative" in mail["raw"]


def test_a_raw_email_is_accepted_with_tags_and_recipients_from_its_headers(sandbox: Sandbox) -> None:
    to, email_id = unique_address(), str(uuid4())
    raw = EmailMessage()
    raw["From"], raw["To"], raw["Subject"] = "Grete Grün <news@example.com>", to, "Schöne Grüße"
    raw["X-SES-MESSAGE-TAGS"] = f"godwit_email={email_id}, kind=raw"
    raw["X-SES-CONFIGURATION-SET"] = "from-header"
    raw.set_content("Grüß Gott")
    raw.add_alternative(HTML, subtype="html")
    raw.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="plan.pdf")

    answer = sandbox.ses.send_email(Content={"Raw": {"Data": raw.as_bytes()}})

    (mail,) = sandbox.messages(f"emailId={email_id}")
    assert mail["id"] == answer["MessageId"]
    assert mail["to"] == [to]
    assert mail["tags"] == {"godwit_email": email_id, "kind": "raw"}
    assert mail["configurationSet"] == "from-header"
    assert (mail["subject"], mail["html"].strip(), mail["text"].strip()) == ("Schöne Grüße", HTML, "Grüß Gott")
    assert mail["headers"]["From"] == "Grete Grün <news@example.com>"
    assert mail["raw"].encode() == raw.as_bytes()


def test_tags_of_the_call_win_over_tags_of_the_message(sandbox: Sandbox) -> None:
    to = unique_address()
    raw = b"From: a@example.com\r\nTo: b@example.com\r\nX-SES-MESSAGE-TAGS: godwit_email=old\r\n\r\nHi\r\n"
    sandbox.ses.send_email(
        FromEmailAddress="a@example.com",
        Destination={"ToAddresses": [to]},
        Content={"Raw": {"Data": raw}},
        EmailTags=[{"Name": "godwit_email", "Value": "new"}],
    )
    (mail,) = sandbox.messages(f"to={to.upper()}")
    assert (mail["emailId"], mail["to"]) == ("new", [to])


def test_the_newest_messages_come_first_and_fields_can_be_chosen(sandbox: Sandbox) -> None:
    to = unique_address()
    sent = [sandbox.send(to) for _ in range(3)]
    listed = sandbox.get(f"/sandbox/messages?to={to}&limit=2&fields=id,to")
    assert listed == {"messages": [{"id": sent[2], "to": [to]}, {"id": sent[1], "to": [to]}], "total": 3}


def test_bulk_entries_are_separate_emails(sandbox: Sandbox) -> None:
    ann, ben = unique_address(), unique_address()
    answer = sandbox.ses.send_bulk_email(
        FromEmailAddress="news@example.com",
        DefaultContent={
            "Template": {
                "TemplateContent": {"Subject": "Hi {{name}}", "Html": "<p>{{name}}, {{order.id}}</p>"},
                "TemplateData": '{"name": "you", "order": {"id": 7}}',
            }
        },
        DefaultEmailTags=[{"Name": "godwit_email", "Value": "default"}],
        BulkEmailEntries=[
            {
                "Destination": {"ToAddresses": [ann]},
                "ReplacementEmailContent": {"ReplacementTemplate": {"ReplacementTemplateData": '{"name": "Ann & Co"}'}},
                "ReplacementTags": [{"Name": "godwit_email", "Value": "of-ann"}],
            },
            {"Destination": {"ToAddresses": [ben]}},
            {"Destination": {"ToAddresses": ["nobody"]}},
        ],
    )
    results = answer["BulkEmailEntryResults"]
    assert [result["Status"] for result in results] == ["SUCCESS", "SUCCESS", "INVALID_PARAMETER"]
    (to_ann,), (to_ben,) = sandbox.messages(f"to={ann}"), sandbox.messages(f"to={ben}")
    assert (to_ann["subject"], to_ann["html"], to_ann["emailId"]) == (
        "Hi Ann & Co",
        "<p>Ann &amp; Co, 7</p>",
        "of-ann",
    )
    assert (to_ben["subject"], to_ben["html"], to_ben["emailId"]) == ("Hi you", "<p>you, 7</p>", "default")
    assert to_ann["id"] == results[0]["MessageId"]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("ann", "Missing final '@domain'"),
        ("ann@", "Missing final '@domain'"),
        ("ännchen@example.com", "Local address contains control or whitespace"),
        ("an n@example.com", "Local address contains control or whitespace"),
        ("ann@exämple.com", "Domain contains control or whitespace"),
    ],
)
def test_an_impossible_address_is_rejected_and_changes_nothing(sandbox: Sandbox, to: str, message: str) -> None:
    before = sandbox.get("/sandbox/stats")["accepted"]
    with pytest.raises(sandbox.ses.exceptions.BadRequestException) as error:
        sandbox.send(to)
    assert refused(error.value) == (400, "BadRequestException", message)
    assert sandbox.get("/sandbox/stats")["accepted"] == before


def test_a_stored_template_is_rejected_clearly(sandbox: Sandbox) -> None:
    with pytest.raises(sandbox.ses.exceptions.BadRequestException, match="stores no templates"):
        sandbox.ses.send_email(
            FromEmailAddress="news@example.com",
            Destination={"ToAddresses": ["ann@example.net"]},
            Content={"Template": {"TemplateName": "welcome", "TemplateData": "{}"}},
        )


def test_an_invalid_tag_and_too_many_recipients_are_rejected(sandbox: Sandbox) -> None:
    with pytest.raises(sandbox.ses.exceptions.BadRequestException, match="Invalid tag value"):
        sandbox.send(unique_address(), email_id="not a tag")
    with pytest.raises(sandbox.ses.exceptions.BadRequestException, match="Recipient count exceeds 50"):
        sandbox.ses.send_email(
            FromEmailAddress="news@example.com",
            Destination={"ToAddresses": [unique_address() for _ in range(51)]},
            Content={"Simple": {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hi"}}}},
        )


def test_more_recipients_per_second_than_allowed_are_throttled(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox("--max-send-rate", "3")
    with pytest.raises(sandbox.ses.exceptions.TooManyRequestsException) as error:
        for _ in range(20):
            sandbox.send(unique_address())
    assert refused(error.value) == (429, "TooManyRequestsException", "Maximum sending rate exceeded.")
    assert 3 <= sandbox.get("/sandbox/messages")["total"] < 20
    eventually(lambda: _accepts(sandbox), seconds=3)


def test_the_daily_quota_counts_recipients_and_get_account_reports_it(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox("--max-24-hour-send", "3")
    sandbox.ses.send_email(
        FromEmailAddress="news@example.com",
        Destination={"ToAddresses": [unique_address()], "BccAddresses": [unique_address()]},
        Content={"Simple": {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hi"}}}},
    )
    sandbox.send(unique_address())
    with pytest.raises(sandbox.ses.exceptions.TooManyRequestsException, match="Daily message quota exceeded"):
        sandbox.send(unique_address())
    account = sandbox.ses.get_account()
    assert account["SendQuota"] == {"Max24HourSend": 3.0, "MaxSendRate": 1000.0, "SentLast24Hours": 3.0}
    assert account["SendingEnabled"] and account["ProductionAccessEnabled"]

    sandbox.post("/sandbox/account", {"max24HourSend": 10, "maxSendRate": 50, "latencyMs": 150})
    started = time.monotonic()
    sandbox.send(unique_address())
    assert time.monotonic() - started >= 0.15
    assert sandbox.ses.get_account()["SendQuota"]["MaxSendRate"] == 50.0


def test_a_call_without_credentials_is_rejected_as_in_aws(sandbox: Sandbox) -> None:
    assert _post_unsigned(sandbox, {}) == (403, "MissingAuthenticationTokenException")
    assert _post_unsigned(sandbox, {"Authorization": "Bearer x"}) == (403, "IncompleteSignatureException")


def test_a_body_that_is_not_json_is_a_bad_request(sandbox: Sandbox) -> None:
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=any"}
    assert _post_unsigned(sandbox, signed, "{") == (400, "BadRequestException")


def _post_unsigned(sandbox: Sandbox, headers: dict[str, str], body: str = "{}") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    connection.request("POST", "/v2/email/outbound-emails", body, headers)
    answer = connection.getresponse()
    assert json.loads(answer.read())["message"]
    return answer.status, answer.headers["x-amzn-ErrorType"]


def _accepts(sandbox: Sandbox) -> bool:
    try:
        return bool(sandbox.send(unique_address()))
    except ClientError:
        return False
