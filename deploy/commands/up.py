"""Start everything on this machine; Ctrl-C stops it."""

import argparse

EPILOG = """\
settings (environment variables):
  GODWIT_HTTP_PORT              port of the gateway (8000)
  GODWIT_SANDBOX_PORT           port of the SES sandbox and its mailbox page (8010)
  GODWIT_DATA_DIR               where everything is kept (.godwit); two stacks need two of each of these three
  GODWIT_REPLICAS_<SERVICE>     processes of one service (1), as in GODWIT_REPLICAS_DELIVERY=2
  GODWIT_BOOTSTRAP_SECRET_KEY   keys of the first project; unset, they are made at the first start,
  GODWIT_BOOTSTRAP_PUBLIC_KEY   shown once and kept in $GODWIT_DATA_DIR/secrets.json
  GODWIT_BOOTSTRAP_DOMAIN       its verified sending domain (example.com)
  GODWIT_API_RATE_LIMIT         requests per minute and project, 0 is no limit
  GODWIT_SMTP_PORT              port of the SMTP relay for STARTTLS, such as 2587 (none: no relay)
  GODWIT_SMTPS_PORT             port of the SMTP relay for TLS from the start, such as 2465
  GODWIT_UNKNOWN_GRACE          seconds until a send without proof is tried again
  any other GODWIT_* setting of the services is handed on to them

While it runs, $GODWIT_DATA_DIR/run holds the process ids (<service>-<n>.pid) and endpoints.json, and
$GODWIT_DATA_DIR/logs what every process said. The line `godwit ready <url>` says that all of it is there.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG


def run(_args: argparse.Namespace) -> int:
    from deploy.embedded.up import up

    return up()
