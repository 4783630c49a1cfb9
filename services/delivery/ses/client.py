"""Amazon SES by boto3: one client for all threads of a process, and what its errors mean.

botocore sends a call again by itself when the answer is lost, which makes duplicates: it is told to try once.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
import structlog
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
from botocore.session import get_session
from botocore.utils import get_environ_proxies

from libs.runtime import crash
from libs.runtime.clock import uuid7
from libs.runtime.process.settings import Settings
from services.delivery.ledger.mail import Links, Mail
from services.delivery.ledger.timing import Timing
from services.delivery.rendering.message import compose, probe
from services.delivery.rendering.mime import File
from services.delivery.rendering.templates import Unrenderable
from services.delivery.scheduling.rate import Account
from services.delivery.ses.outcome import (
    GIVEN_BACK,
    NotTaken,
    Outcome,
    Refused,
    Sent,
    Unknown,
    of_error,
)
from services.delivery.ses.transport import Wire

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sesv2.type_defs import SendEmailRequestTypeDef

log = structlog.get_logger()

NEVER_REACHED = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)


USER_AGENT = "godwit"
"""Given, because botocore otherwise works out a longer one for every call, which costs a fifth of it."""


class ConfigurationSets(msgspec.Struct, frozen=True):
    """SES follows opens and clicks by the configuration set that a mail is sent with."""

    tracked: str
    untracked: str


class Ses:
    """Blocking calls, for threads. `client` is what else is asked of SES."""

    def __init__(self, client: "SESV2Client", links: Links, sets: ConfigurationSets, timing: Timing) -> None:
        self.client = client
        self._links = links
        self._sets = sets
        self._timing = timing

    def deliver(self, mail: Mail, files: Sequence[File] = ()) -> Outcome:
        """Write the mail and hand it to SES. Never raises: what went wrong is an outcome, too."""
        try:
            tracking = self._sets.tracked if mail.tracked else self._sets.untracked
            composed = compose(mail, self._links, tracking, files)
        except Unrenderable as bad:
            return Refused("RENDERING_FAILED", str(bad))
        except Exception as bug:
            log.exception("ses.cannot_compose", email=str(mail.id))
            return Refused("RENDERING_FAILED", type(bug).__name__)
        if time.monotonic() - mail.begun > self._timing.give_back_after:
            return GIVEN_BACK
        return self._send(composed.request, composed.subject)

    def probe(self, sender: str) -> Outcome:
        """Send a mail to SES's mailbox simulator: it reaches nobody, and brings notifications. Never raises."""
        try:
            return self._send(probe(uuid7(), sender, self._sets.tracked), "")
        except Unrenderable as bad:
            return Refused("RENDERING_FAILED", str(bad))

    def account(self) -> Account:
        """What SES allows. Raises BotoCoreError or ClientError."""
        quota = self.client.get_account()["SendQuota"]
        return Account(
            per_second=quota["MaxSendRate"], per_day=quota["Max24HourSend"], sent_today=quota["SentLast24Hours"]
        )

    def _send(self, request: "SendEmailRequestTypeDef", subject: str) -> Outcome:
        try:
            answer = self.client.send_email(**request)
        except ClientError as error:
            return of_error(
                error.response["ResponseMetadata"]["HTTPStatusCode"],
                error.response["Error"].get("Code", ""),
                error.response["Error"].get("Message", ""),
            )
        except NEVER_REACHED as error:
            return NotTaken(type(error).__name__)
        except Exception as error:  # whatever else happens, the request may have been on its way
            return Unknown(type(error).__name__)
        crash.point("after_ses_accept")
        return Sent(answer["MessageId"], subject)


def connect(config: Settings, timing: Timing) -> Ses:
    """A client for `send_concurrency` threads. Connects when it is first used."""
    session = get_session()
    client: SESV2Client = boto3.Session(botocore_session=session).client(
        "sesv2",
        region_name=config.aws_region,
        endpoint_url=config.aws_endpoint_url,
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=timing.connect,
            read_timeout=timing.read,
            max_pool_connections=config.send_concurrency + 1,
            parameter_validation=False,  # only our own code builds requests, and checking them costs a tenth of a call
            tcp_keepalive=True,
            user_agent=USER_AGENT,
        ),
    )
    if not get_environ_proxies(client.meta.endpoint_url):
        wire = Wire(timing.connect, timing.read, session.get_config_variable("ca_bundle"))
        call: Any = wire.call  # the stubs do not know that a hook may answer
        client.meta.events.register("before-call.sesv2", call)
    links = Links(config.public_url, config.link_key)
    sets = ConfigurationSets(config.configuration_set, config.configuration_set_untracked or config.configuration_set)
    return Ses(client, links, sets, timing)


ACCOUNT_ERRORS = (BotoCoreError, ClientError)
