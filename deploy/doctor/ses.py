"""Check Amazon SES: may we send, how much, from which domains, and are the outcomes of emails reported?"""

import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy.doctor.deployment import Deployment
from deploy.doctor.diagnosis import (
    Diagnosis,
    ok,
    problem,
    warning,
)

REQUIRED_EVENTS = ("SEND", "REJECT", "BOUNCE", "COMPLAINT", "DELIVERY", "RENDERING_FAILURE", "DELIVERY_DELAY")
OPTIONAL_EVENTS = ("OPEN", "CLICK")
MAX_SKEW = 60.0
LOW_QUOTA_SHARE = 0.1
NOT_FOUND = "NotFoundException"


def examine(deployment: Deployment, domains: Sequence[str]) -> Iterator[Diagnosis]:
    """Yield the diagnoses of the SES account. `domains` are those that projects send from."""
    client = deployment.client("sesv2")
    try:
        account = client.get_account()
    except (BotoCoreError, ClientError) as error:
        yield problem(
            "SES credentials",
            _error_text(error),
            f"Give the delivery service credentials for SES in {deployment.region} that may call ses:* "
            "(AWS_ACCESS_KEY_ID, a role, ...), and check AWS_REGION.",
        )
        return
    yield ok("SES credentials", f"accepted in {deployment.region}")
    yield _clock(account)
    yield from _account(account)
    yield _quota(account["SendQuota"])
    for domain in domains:
        yield from _or_unreadable(f"domain {domain}", _identity(client, domain))
    yield from _or_unreadable(
        f"configuration set {deployment.configuration_set}", _configuration_set(client, deployment)
    )


def _or_unreadable(check: str, diagnoses: Iterator[Diagnosis]) -> Iterator[Diagnosis]:
    """Yield the diagnoses, or a warning if these credentials may not read what is checked."""
    try:
        yield from diagnoses
    except (BotoCoreError, ClientError) as error:
        yield warning(check, _error_text(error), "Let these credentials read identities and configuration sets in SES.")


def _clock(account: Any) -> Diagnosis:
    response = account["ResponseMetadata"]["HTTPHeaders"].get("date")
    if response is None:
        return ok("clock", "SES sent no time")
    skew = abs(time.time() - parsedate_to_datetime(response).timestamp())
    if skew > MAX_SKEW:
        return problem("clock", f"{skew:.0f} s off from SES's", "Run NTP: SES rejects signatures that are minutes off.")
    return ok("clock", f"within {max(1.0, skew):.0f} s of SES's")


def _account(account: Any) -> Iterator[Diagnosis]:
    if not account.get("SendingEnabled", False):
        yield problem("SES account", "sending is disabled", "Look for the reason in the SES console, under Account.")
    elif account.get("EnforcementStatus", "HEALTHY") != "HEALTHY":
        found = f"enforcement status {account['EnforcementStatus']}"
        yield problem("SES account", found, "Answer AWS's inquiry: there were too many bounces or complaints.")
    elif not account.get("ProductionAccessEnabled", False):
        yield warning(
            "SES account",
            "in the Amazon SES sandbox",
            "Ask for production access: until then you can only send to verified addresses.",
        )
    else:
        yield ok("SES account", "may send")


def _quota(quota: Any) -> Diagnosis:
    per_day, sent = quota["Max24HourSend"], quota["SentLast24Hours"]
    found = f"{quota['MaxSendRate']:g} emails/s, {sent:,.0f} of {per_day:,.0f} today"
    if per_day > 0 and per_day - sent < per_day * LOW_QUOTA_SHARE:
        return warning(
            "SES quota", found, "The rest of today is reserved for transactional mail. Ask AWS for a higher quota."
        )
    return ok("SES quota", found if per_day > 0 else f"{quota['MaxSendRate']:g} emails/s, any number a day")


def _identity(client: Any, domain: str) -> Iterator[Diagnosis]:
    name = f"domain {domain}"
    try:
        identity = client.get_email_identity(EmailIdentity=domain)
    except ClientError as error:
        if error.response["Error"].get("Code") != NOT_FOUND:
            raise
        yield warning(
            name,
            "SES does not know it",
            "Create the identity in SES, or add the domain with POST /domains: email from it fails.",
        )
        return
    dkim = identity.get("DkimAttributes", {})
    mail_from = identity.get("MailFromAttributes", {})
    if not identity.get("VerifiedForSendingStatus", False):
        yield problem(name, "not verified", "Publish the DNS records that GET /domains shows.")
    elif dkim.get("Status") != "SUCCESS" or not dkim.get("SigningEnabled", False):
        yield problem(name, f"DKIM {dkim.get('Status')}", "Publish the three CNAME records that GET /domains shows.")
    elif mail_from.get("MailFromDomain") and mail_from.get("MailFromDomainStatus") != "SUCCESS":
        yield warning(name, f"MAIL FROM {mail_from['MailFromDomainStatus']}", "Publish its MX and TXT records.")
    else:
        yield ok(name, "verified and signed")


def _configuration_set(client: Any, deployment: Deployment) -> Iterator[Diagnosis]:
    name = f"configuration set {deployment.configuration_set}"
    try:
        client.get_configuration_set(ConfigurationSetName=deployment.configuration_set)
    except ClientError as error:
        if error.response["Error"].get("Code") != NOT_FOUND:
            raise
        yield problem(
            name, "SES does not know it", "Create it, or name another in GODWIT_CONFIGURATION_SET: every send fails."
        )
        return
    yield ok(name, "exists")
    response = client.get_configuration_set_event_destinations(ConfigurationSetName=deployment.configuration_set)
    destinations = [item for item in response.get("EventDestinations", []) if "SnsDestination" in item]
    yield _events(destinations)
    for destination in destinations:
        yield _topic_allowed(destination["SnsDestination"]["TopicArn"], deployment)


def _events(destinations: Sequence[Any]) -> Diagnosis:
    reported = {kind for item in destinations if item.get("Enabled") for kind in item["MatchingEventTypes"]}
    if missing := [kind for kind in REQUIRED_EVENTS if kind not in reported]:
        todo = "Add an SNS event destination for them: without it, emails whose answer is lost stay unknown."
        return problem("events of emails", f"not reported: {', '.join(missing)}", todo)
    if missing := [kind for kind in OPTIONAL_EVENTS if kind not in reported]:
        return warning(
            "events of emails", f"not reported: {', '.join(missing)}", "Add them if you want opens and clicks."
        )
    return ok("events of emails", f"{len(reported)} kinds go to SNS")


def _topic_allowed(topic: str, deployment: Deployment) -> Diagnosis:
    if topic in deployment.topic_arns or (deployment.queue_url and not deployment.topic_arns):
        return ok("topic allow-list", topic)
    return problem("topic allow-list", f"{topic} is not on it", f"Add it to GODWIT_SNS_TOPIC_ARNS: {topic}")


def _error_text(error: Exception) -> str:
    return error.response["Error"].get("Message", str(error)) if isinstance(error, ClientError) else str(error)
