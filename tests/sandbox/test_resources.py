"""Identities, the suppression list and configuration sets through boto3, and the control interface."""

from typing import Any
from urllib.error import HTTPError
from uuid import uuid4

import pytest

from tests.sandbox.conftest import StartSandbox
from tests.sandbox.running import Sandbox, unique_address


def test_an_identity_is_created_verified_listed_and_deleted(sandbox: Sandbox) -> None:
    domain = f"{uuid4().hex}.example.com"
    created = sandbox.ses.create_email_identity(EmailIdentity=domain)
    assert (created["IdentityType"], created["VerifiedForSendingStatus"]) == ("DOMAIN", True)
    assert len(created["DkimAttributes"]["Tokens"]) == 3
    shown = sandbox.ses.get_email_identity(EmailIdentity=domain)
    assert (shown["VerificationStatus"], shown["DkimAttributes"]) == ("SUCCESS", created["DkimAttributes"])
    with pytest.raises(sandbox.ses.exceptions.AlreadyExistsException):
        sandbox.ses.create_email_identity(EmailIdentity=domain)
    assert domain in [each["IdentityName"] for each in sandbox.ses.list_email_identities()["EmailIdentities"]]
    sandbox.ses.delete_email_identity(EmailIdentity=domain)
    with pytest.raises(sandbox.ses.exceptions.NotFoundException):
        sandbox.ses.get_email_identity(EmailIdentity=domain)


def test_the_mail_from_domain_is_set_and_removed(sandbox: Sandbox) -> None:
    domain = f"{uuid4().hex}.example.com"
    sandbox.ses.create_email_identity(EmailIdentity=domain)
    set_name = sandbox.ses.put_email_identity_mail_from_attributes
    with pytest.raises(sandbox.ses.exceptions.BadRequestException, match="not subdomain"):
        set_name(EmailIdentity=domain, MailFromDomain="bounces.example.org")
    set_name(EmailIdentity=domain, MailFromDomain=f"bounces.{domain}", BehaviorOnMxFailure="REJECT_MESSAGE")
    shown = sandbox.ses.get_email_identity(EmailIdentity=domain)["MailFromAttributes"]
    assert (shown["MailFromDomain"], shown["BehaviorOnMxFailure"]) == (f"bounces.{domain}", "REJECT_MESSAGE")
    set_name(EmailIdentity=domain)
    assert "MailFromDomain" not in sandbox.ses.get_email_identity(EmailIdentity=domain)["MailFromAttributes"]


def test_dkim_verification_is_restarted(sandbox: Sandbox) -> None:
    domain = f"{uuid4().hex}.example.com"
    tokens = sandbox.ses.create_email_identity(EmailIdentity=domain)["DkimAttributes"]["Tokens"]
    again = sandbox.ses.put_email_identity_dkim_signing_attributes(
        EmailIdentity=domain, SigningAttributesOrigin="AWS_SES"
    )
    assert again["DkimTokens"] == tokens


def test_identities_are_listed_in_pages(sandbox: Sandbox) -> None:
    names = {f"{uuid4().hex}@example.com" for _ in range(5)}
    for name in names:
        sandbox.ses.create_email_identity(EmailIdentity=name)
    listed: list[str] = []
    token: dict[str, Any] = {}
    while True:
        page = sandbox.ses.list_email_identities(PageSize=2, **token)
        listed += [each["IdentityName"] for each in page["EmailIdentities"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert names <= set(listed)
    assert len(listed) == len(set(listed))


def test_an_unverified_sender_is_rejected_if_configured(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox("--require-verified-senders", "--unverified-identities")
    with pytest.raises(sandbox.ses.exceptions.MessageRejected, match="Email address is not verified"):
        sandbox.send(unique_address())
    assert not sandbox.ses.create_email_identity(EmailIdentity="example.com")["VerifiedForSendingStatus"]
    with pytest.raises(sandbox.ses.exceptions.MessageRejected):
        sandbox.send(unique_address())
    sandbox.post("/sandbox/identities", {"identity": "example.com", "verified": True})
    assert sandbox.send(unique_address())


def test_suppressed_addresses_are_added_shown_listed_and_deleted(sandbox: Sandbox) -> None:
    bounced, complained = unique_address(), unique_address()
    sandbox.ses.put_suppressed_destination(EmailAddress=bounced, Reason="BOUNCE")
    sandbox.ses.put_suppressed_destination(EmailAddress=complained, Reason="COMPLAINT")
    shown = sandbox.ses.get_suppressed_destination(EmailAddress=bounced)["SuppressedDestination"]
    assert (shown["EmailAddress"], shown["Reason"]) == (bounced, "BOUNCE")
    listed = sandbox.ses.list_suppressed_destinations(Reasons=["COMPLAINT"])["SuppressedDestinationSummaries"]
    assert complained in [each["EmailAddress"] for each in listed]
    assert bounced not in [each["EmailAddress"] for each in listed]
    later = sandbox.ses.list_suppressed_destinations(StartDate="2999-01-01T00:00:00Z")
    assert later["SuppressedDestinationSummaries"] == []
    sandbox.ses.delete_suppressed_destination(EmailAddress=bounced)
    with pytest.raises(sandbox.ses.exceptions.NotFoundException):
        sandbox.ses.get_suppressed_destination(EmailAddress=bounced)


def test_configuration_sets_keep_their_event_destinations(sandbox: Sandbox) -> None:
    name = f"set-{uuid4().hex}"
    sandbox.ses.create_configuration_set(ConfigurationSetName=name)
    with pytest.raises(sandbox.ses.exceptions.AlreadyExistsException):
        sandbox.ses.create_configuration_set(ConfigurationSetName=name)
    assert sandbox.ses.get_configuration_set(ConfigurationSetName=name)["ConfigurationSetName"] == name
    assert name in sandbox.ses.list_configuration_sets()["ConfigurationSets"]
    sandbox.ses.create_configuration_set_event_destination(
        ConfigurationSetName=name,
        EventDestinationName="sns",
        EventDestination={
            "Enabled": True,
            "MatchingEventTypes": ["SEND", "DELIVERY"],
            "SnsDestination": {"TopicArn": "arn:aws:sns:eu-west-1:000000000000:godwit-sandbox"},
        },
    )
    (destination,) = sandbox.ses.get_configuration_set_event_destinations(ConfigurationSetName=name)[
        "EventDestinations"
    ]
    assert (destination["Name"], destination["MatchingEventTypes"]) == ("sns", ["SEND", "DELIVERY"])
    with pytest.raises(sandbox.ses.exceptions.NotFoundException):
        sandbox.ses.get_configuration_set_event_destinations(ConfigurationSetName="missing")


def test_control_settings_can_be_read_back_and_keep_missing_fields(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    before = sandbox.get("/sandbox/behaviour")
    changed = sandbox.post("/sandbox/behaviour", {"bounce": 0.5, "delays": {"open": 9}})
    assert changed == {**before, "bounce": 0.5, "delays": {**before["delays"], "open": 9}}
    assert sandbox.post("/sandbox/account", {"latencyMs": 5})["maxSendRate"] == 1000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sandbox/faults", {"fault": "explode"}),
        ("/sandbox/faults", {"fault": "hang", "rate": 2}),
        ("/sandbox/faults", {"fault": "hang", "count": 0}),
        ("/sandbox/notifications", {"mode": "sometimes"}),
        ("/sandbox/account", {"maxSendRate": 0}),
        ("/sandbox/account", {"speed": 1}),
        ("/sandbox/behaviour", {"bounce": 1.5}),
        ("/sandbox/behaviour", {"delays": {"naps": 1}}),
        ("/sandbox/behaviour", {"delays": 3}),
    ],
)
def test_an_invalid_control_call_is_rejected_with_a_reason(sandbox: Sandbox, path: str, body: dict[str, Any]) -> None:
    before = sandbox.get(path)
    with pytest.raises(HTTPError) as error:
        sandbox.post(path, body)
    assert error.value.code == 400
    assert error.value.read()
    assert sandbox.get(path) == before


@pytest.mark.parametrize("query", ["limit=0", "limit=100001", "limit=x", "fields=nose"])
def test_an_invalid_list_query_is_rejected(sandbox: Sandbox, query: str) -> None:
    with pytest.raises(HTTPError) as error:
        sandbox.messages(query)
    assert error.value.code == 400
