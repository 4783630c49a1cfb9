"""The gateway: the HTTP API, the SMTP relay, the SNS webhook, and the pages behind the links in mails.

Owns projects and their API keys (`project.created`, `project.updated` and `key.issued` on `evt.gateway.>`), and the
stored responses to requests with an Idempotency-Key. Sends `cmd.<service>.>` and `qry.<service>.>`, and stores verified
notifications of Amazon SES on `ingest.sns`.
"""
