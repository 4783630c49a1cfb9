"""Templates and campaigns.

Owns templates with all their versions; campaigns with their schedules, A/B tests and results for each recipient; and
the list of sender domains that a project may use. Writes `evt.campaigns.<project>.*` (`template.created`,
`campaign.created`, `campaign.scheduled`, `campaign.sending_started`, `campaign.paused`, `campaign.cancelled`,
`campaign.sent` and so on). Handles `cmd.campaigns.>` and `qry.campaigns.>`. Reads `audience.*`, `contact.unsubscribed`
and `contact.deleted` of contacts, the events of delivery about mails and domains, and
`email.delivered|opened|clicked|bounced|complained` of feedback.
"""
