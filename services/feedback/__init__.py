"""Feedback: what SES and the mailbox providers report back about each mail.

Owns the raw notifications, the stream `feedback-<email>` of every mail and the read model `email_feedback`. Reads
`ingest.sns` (signature-checked SNS notifications, as the gateway published them) and the SQS queue if there is one,
writes `evt.feedback.<project>.email.{confirmed,delivered,opened,clicked,bounced,complained,delayed,rejected}` and
answers `qry.feedback.>`. Notifications may come in any order and any number of times; the outcome is the same.
"""
