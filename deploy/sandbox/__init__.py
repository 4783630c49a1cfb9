"""The SES sandbox: a local stand-in for Amazon SES v2 and the SNS topic behind it, for development and tests.

boto3 and botocore talk to it through `AWS_ENDPOINT_URL`. It accepts email (and never delivers it), stores every
accepted message on disk before it answers, and reports what became of each one as signed SNS notifications.

A message passes through `http.asgi` (HTTP in), `ses.sending` (the API, with `ses.faults` and `ses.limits`, which may
refuse it), `mailbox.ledger` over `storage` (what is durable), `mailbox.outcomes` (what will happen to it) and
`sns.notifier` (how that is reported). People and scripts see `control` and `mailbox.pages`. `app` puts it all together.

It has no access control whatsoever and binds to the loopback address only.
"""
