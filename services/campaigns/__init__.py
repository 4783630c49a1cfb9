"""Templates and campaigns.

Owns: templates, campaigns, the counters of each campaign's run, and which sender domains a project may use. Writes
`evt.campaigns.<project>.*` (`template.created`, `campaign.created`, `campaign.sending_started`, `campaign.sent`).
Reads `cmd.campaigns.>`, answers `qry.campaigns.>`, and follows contacts' `audience.*` and `contact.unsubscribed`,
delivery's `email.sent|failed|suppressed|cancelled` and `domain.verified`, and feedback's
`email.delivered|opened|clicked|bounced|complained`.
"""
