"""The settings of the sandbox: command-line options and environment."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

EPILOG = """\
Point an AWS SDK at it with AWS_ENDPOINT_URL=http://127.0.0.1:<port>. Read the email at http://127.0.0.1:<port>/.
Scripts use /sandbox/messages, /sandbox/stats, /sandbox/faults, /sandbox/notifications, /sandbox/account and
/sandbox/behaviour. The certificate that signs notifications is issued by <data-dir>/ca.pem.
"""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    port: int = 8010
    data_dir: Path = Path(".godwit/sandbox")
    subscribers: tuple[str, ...] = ()
    region: str = "eu-west-1"
    max_send_rate: float = 1000.0
    max_24_hour_send: float = 1_000_000.0
    require_verified_senders: bool = False
    verify_new_identities: bool = True
    queue: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def topic_arn(self) -> str:
        return f"arn:aws:sns:{self.region}:{ACCOUNT_ID}:godwit-sandbox"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """All endpoints that are subscribed to the topic."""
        queue = f"{QUEUE_ARN}{self.region}:{ACCOUNT_ID}:godwit-sandbox"
        return (*self.subscribers, queue) if self.queue else self.subscribers


QUEUE_ARN = "arn:aws:sqs:"
ACCOUNT_ID = "000000000000"


def read_settings(argv: Sequence[str] | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; options win over the environment. Exit with status 2 and an explanation on a wrong option."""
    options = _parser(environment).parse_args(argv)
    return Settings(
        port=options.port,
        data_dir=options.data_dir,
        subscribers=tuple(dict.fromkeys(options.subscriber or _listed(environment, "GODWIT_SANDBOX_SUBSCRIBERS"))),
        region=options.region,
        max_send_rate=options.max_send_rate,
        max_24_hour_send=options.max_24_hour_send,
        require_verified_senders=options.require_verified_senders,
        verify_new_identities=not options.unverified_identities,
        queue=options.queue,
    )


def _listed(environment: Mapping[str, str], name: str) -> list[str]:
    return [part.strip() for part in environment.get(name, "").split(",") if part.strip()]


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.sandbox",
        description="A local stand-in for Amazon SES: accepts email, delivers none, reports every outcome through SNS.",
        epilog=EPILOG,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_addresses(parser, environment)
    _add_account(parser)
    return parser


def _add_addresses(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Add the options for where the sandbox listens, stores and delivers."""
    parser.add_argument(
        "--port", type=_port, default=environment.get("GODWIT_SANDBOX_PORT", "8010"), help="listen on 127.0.0.1:PORT"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Settings().data_dir,
        metavar="DIR",
        help="stores email, certificates and pending events",
    )
    parser.add_argument(
        "--subscriber",
        action="append",
        type=_http_url,
        metavar="URL",
        help="receives the notifications; repeatable (environment: GODWIT_SANDBOX_SUBSCRIBERS, comma-separated)",
    )
    parser.add_argument(
        "--queue", action="store_true", help=f"also subscribe the SQS queue at /{ACCOUNT_ID}/godwit-sandbox"
    )


def _add_account(parser: argparse.ArgumentParser) -> None:
    """Add the options of the SES account: its limits, region and identities."""
    parser.add_argument(
        "--max-send-rate", type=_positive, default=Settings().max_send_rate, metavar="N", help="recipients per second"
    )
    parser.add_argument(
        "--max-24-hour-send",
        type=_positive,
        default=Settings().max_24_hour_send,
        metavar="N",
        help="recipients per rolling day",
    )
    parser.add_argument("--region", default=Settings().region, help="AWS region to imitate")
    parser.add_argument(
        "--require-verified-senders", action="store_true", help="reject email from unverified addresses and domains"
    )
    parser.add_argument(
        "--unverified-identities",
        action="store_true",
        help="keep new identities pending until POST /sandbox/identities",
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port number")
    return port


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def _http_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text} is not an http(s) URL")
    return text
