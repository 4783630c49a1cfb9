"""Templates and campaigns.

Owns: templates with every version of them; campaigns, their schedules and what became of each recipient; and which
sender domains a project may use. Writes `evt.campaigns.<project>.*` (`template.created`, `campaign.created`,
`campaign.scheduled`, `campaign.sending_started`, `campaign.paused`, `campaign.cancelled`, `campaign.sent` and so on).
Reads `cmd.campaigns.>`, answers `qry.campaigns.>`, and follows contacts' `audience.*`, `contact.unsubscribed` and
`contact.deleted`, delivery's facts about mails and domains, and feedback's
`email.delivered|opened|clicked|bounced|complained`.
"""
