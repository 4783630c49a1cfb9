"""The edge: HTTP in, commands out, queries out, and the pages that mailbox users see.

Owns projects and their API keys (`project.created` and `key.issued` on `evt.gateway.>`), and remembers the answers to
requests that carry an Idempotency-Key. Sends `cmd.<service>.>` and `qry.<service>.>`, and puts the notifications of
Amazon SES, once their signature is proved, on `ingest.sns`.
"""
