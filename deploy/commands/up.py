"""Start everything on this machine; Ctrl-C stops it."""

import argparse

EPILOG = """\
settings (environment variables):
  GODWIT_HTTP_PORT              port of the gateway (8000)
  GODWIT_SANDBOX_PORT           port of the SES sandbox and its mailbox page (8010)
  GODWIT_DATA_DIR               data directory (.godwit); a second stack needs its own value of these three
  GODWIT_REPLICAS_<SERVICE>     processes of one service (1), as in GODWIT_REPLICAS_DELIVERY=2
  GODWIT_BOOTSTRAP_SECRET_KEY   keys of the first project; if unset, they are generated at the first start,
  GODWIT_BOOTSTRAP_PUBLIC_KEY   shown once and kept in $GODWIT_DATA_DIR/secrets.json
  GODWIT_BOOTSTRAP_DOMAIN       its verified sending domain (example.com)
  GODWIT_API_RATE_LIMIT         requests per minute and project; 0 means no limit
  GODWIT_SMTP_PORT              port of the SMTP relay for STARTTLS, such as 2587 (unset: no relay)
  GODWIT_SMTPS_PORT             port of the SMTP relay for TLS from the start, such as 2465
  GODWIT_UNKNOWN_GRACE          seconds until an email whose outcome is unknown is sent again
  every other GODWIT_* setting is passed on to the services

While it runs, $GODWIT_DATA_DIR/run holds the process ids (<service>-<n>.pid) and endpoints.json, and
$GODWIT_DATA_DIR/logs the output of every process. The line `godwit ready <url>` means that everything is up.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG


def run(_args: argparse.Namespace) -> int:
    from deploy.embedded.up import up

    return up()
