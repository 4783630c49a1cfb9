"""Feedback: what SES and the mailbox providers report back about each mail.

Owns the raw notifications, the stream `feedback-<email>` of every mail, and the stream `reputation-<project>` of every
project whose bulk mail it has warned of or paused. Reads `ingest.sns` (signature-checked SNS notifications, as the
gateway published them) and the SQS queue if there is one, writes
`evt.feedback.<project>.email.{confirmed,delivered,opened,clicked,bounced,complained,delayed,rejected}`,
`.reputation.warned` and `.sending.{paused,resumed}`, and answers `qry.feedback.>`. Notifications may come in any order
and any number of times; the outcome is the same.
"""
