"""Amazon SES through boto3: one client for all threads of a process, and what its errors mean.

By default botocore repeats a call whose answer was lost, which would send the mail twice, so it is told to try once.
"""

from typing import TYPE_CHECKING, Any

import boto3
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
from libs.runtime.process.settings import Settings
from services.delivery.ses.account import SendQuota
from services.delivery.ses.outcome import NotTaken, Outcome, Sent, Unknown, of_error
from services.delivery.ses.transport import SesTransport

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sesv2.type_defs import SendEmailRequestTypeDef

ACCOUNT_ERRORS = (BotoCoreError, ClientError)
"""What calls other than SendEmail raise."""
NEVER_REACHED = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
"""Errors after which SES cannot have received the request."""

USER_AGENT = "godwit"
"""Set explicitly: botocore would otherwise assemble a longer one for every call, which takes a fifth of the call."""


class SesClient:
    """Blocking calls, for threads. `api` is boto3's client, for the calls that this class does not wrap."""

    def __init__(self, api: "SESV2Client") -> None:
        self.api = api

    def send_quota(self) -> SendQuota:
        """Return what SES allows the account. Raise one of ACCOUNT_ERRORS if SES does not say."""
        quota = self.api.get_account()["SendQuota"]
        return SendQuota(
            per_second=quota["MaxSendRate"], per_day=quota["Max24HourSend"], sent_today=quota["SentLast24Hours"]
        )

    def send(self, request: "SendEmailRequestTypeDef", subject: str) -> Outcome:
        """Call SendEmail. Never raises: an error is an outcome, too. `subject` is kept for the outcome."""
        try:
            answer = self.api.send_email(**request)
        except ClientError as error:
            return of_error(
                error.response["ResponseMetadata"]["HTTPStatusCode"],
                error.response["Error"].get("Code", ""),
                error.response["Error"].get("Message", ""),
            )
        except NEVER_REACHED as error:
            return NotTaken(type(error).__name__)
        except Exception as error:  # after any other error the request may have reached SES
            return Unknown(type(error).__name__)
        crash.point("after_ses_accept")
        return Sent(answer["MessageId"], subject)


def connect(config: Settings, connect_timeout: float, read_timeout: float) -> SesClient:
    """Return a client for `send_concurrency` threads, with these timeouts in seconds. It connects on first use."""
    session = get_session()
    client: SESV2Client = boto3.Session(botocore_session=session).client(
        "sesv2",
        region_name=config.aws_region,
        endpoint_url=config.aws_endpoint_url,
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_pool_connections=config.send_concurrency + 1,
            parameter_validation=False,  # a tenth of a call, and only our own code builds requests
            tcp_keepalive=True,
            user_agent=USER_AGENT,
        ),
    )
    if not get_environ_proxies(client.meta.endpoint_url):
        transport = SesTransport(connect_timeout, read_timeout, session.get_config_variable("ca_bundle"))
        call: Any = transport.call  # the stubs do not know that a handler may return the response
        client.meta.events.register("before-call.sesv2", call)
    return SesClient(client)
