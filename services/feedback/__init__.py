"""Feedback: what SES and the mailbox providers report about each mail.

Owns the raw notifications, a stream `feedback-<email>` for every mail, `mailbox-<contact>` for every contact whose mail
bounced several times in a row, and `reputation-<project>` for every project that was warned or paused. Reads
`ingest.sns` (SNS notifications whose signature the gateway has checked), the SQS queue if there is one, and
`cmd.feedback.>`. Writes `evt.feedback.<project>.` followed by
`email.{confirmed,delivered,opened,clicked,bounced,complained,delayed,rejected}`, `mailbox.{failing,recovered}`,
`reputation.warned` or `sending.{paused,resumed}`, and answers `qry.feedback.>`. Notifications may arrive in any order
and any number of times; the outcome is the same.
"""
