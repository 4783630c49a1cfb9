"""The deployment that the doctor examines: the one in the environment, else the stack on this machine."""

import os
from collections.abc import Mapping
from typing import Any

import boto3
import msgspec
from botocore.config import Config

from deploy.commands import Failed
from deploy.embedded.endpoints import of_running_stack
from deploy.embedded.stack import REGION, TOPIC
from libs.runtime.process.settings import load

CONNECT, READ = 5, 10
SANDBOX_KEY = "sandbox"
"""The sandbox takes any credentials."""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as its settings describe it. Without AWS credentials here, boto3 finds them in its usual places."""

    admin_url: str
    nats_url: str
    nats_monitor_url: str | None
    region: str
    endpoint_url: str | None
    configuration_set: str
    topic_arns: tuple[str, ...]
    queue_url: str | None
    public_url: str
    access_key_id: str | None = None
    secret_access_key: str | None = None

    def client(self, service: str) -> Any:
        """Return a boto3 client for the service. Its type depends on the service, hence Any."""
        config = Config(connect_timeout=CONNECT, read_timeout=READ, retries={"total_max_attempts": 2})
        session = boto3.Session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=self.region,
        )
        return session.client(service, endpoint_url=self.endpoint_url, config=config)


def find_deployment(environ: Mapping[str, str] | None = None, nats_monitor_url: str | None = None) -> Deployment:
    """Return the deployment to examine. Raise Failed if there is none."""
    environ = os.environ if environ is None else environ
    stack = of_running_stack(environ)
    admin_url = environ.get("GODWIT_ADMIN_DATABASE_URL") or (stack.admin_database_url if stack else None)
    nats_url = environ.get("NATS_URL") or (stack.nats_url if stack else None)
    if not admin_url or not nats_url:
        raise Failed(
            "no deployment found: start `godwit up`, or set GODWIT_ADMIN_DATABASE_URL, NATS_URL and AWS_REGION"
        )
    is_local_stack = bool(stack and admin_url == stack.admin_database_url)
    settings = _read_settings(environ, REGION if is_local_stack else None)
    return Deployment(
        admin_url=admin_url,
        nats_url=nats_url,
        nats_monitor_url=nats_monitor_url or (stack.nats_monitor_url if stack and is_local_stack else None),
        region=settings.aws_region,
        endpoint_url=stack.sandbox_url if stack and is_local_stack else settings.aws_endpoint_url,
        configuration_set=settings.configuration_set,
        topic_arns=(TOPIC,)
        if is_local_stack
        else tuple(filter(None, (arn.strip() for arn in settings.sns_topic_arns.split(",")))),
        queue_url=settings.sqs_queue_url or None,
        public_url=stack.url if stack and is_local_stack else settings.public_url,
        access_key_id=SANDBOX_KEY if is_local_stack else None,
        secret_access_key=SANDBOX_KEY if is_local_stack else None,
    )


def _read_settings(environ: Mapping[str, str], region: str | None) -> Any:
    """Read the settings as a service would, ignoring those that belong to the embedded stack only."""
    own = ("GODWIT_DATA_DIR", "GODWIT_SANDBOX_PORT", "GODWIT_HTTP_PORT")
    kept = {name: value for name, value in environ.items() if name not in own and "REPLICAS" not in name}
    return load({"DATABASE_URL": "none", **kept} | ({"AWS_REGION": region} if region else {}))
