"""Delivery: email intents and what becomes of them, and sending domains.

It owns the ledger (`email`: queue, state machine and account book in one table), the rate at which all replicas
together call Amazon SES, and the domains that a project may send from. Everything that is ever mailed passes here, so
here is decided that nobody gets a mail twice and nobody is forgotten.

Writes `evt.delivery.*`: email.queued, email.sent, email.failed, email.suppressed, email.unresolved, email.requeued,
domain.added, domain.verified. Reads contacts' contact.* and audience.page_resolved, campaigns'
campaign.sending_started and template.created, workflows' execution.email_requested, and feedback's facts about mails.
"""
