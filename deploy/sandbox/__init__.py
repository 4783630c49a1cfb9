"""The SES sandbox: a local stand-in for Amazon SES v2 and the SNS topic behind it, for development and tests.

boto3 and botocore talk to it through `AWS_ENDPOINT_URL`. It accepts mail (and never delivers it), keeps every accepted
message on disk before it answers, and reports what became of each one as signed SNS notifications.

Modules, in the order a message meets them: `asgi` (HTTP in), `ses` (the API), `faults` and `limits` (what may refuse
it), `ledger` over `store` (what is durable), `outcomes` (what will happen to it), `notifier` with `events`, `sns` and
`outbound` (how that is told), `control` and `pages` (what people and scripts see). `app` puts them together.

It has no access control whatever and binds to the loopback address only.
"""
