"""Delivery: queues, sends and accounts for all mail, and owns the sending domains.

It owns the ledger (`email`: queue, state machine and account book in one table), the rate at which all replicas
together call Amazon SES, the suppression lists, and the domains that projects may send from. All mail passes through
this service, so it is the one that ensures that nobody gets a mail twice and nobody is forgotten.

Writes `evt.delivery.*`: email.*, domain.*, suppression_rule.*, address.*, sending_limits.set. Reads contacts' contact.*
and audience.page_resolved, campaigns' template.* and campaign.*, workflows' execution.email_requested, the gateway's
project.*, and feedback's events about mails, mailboxes and paused projects.
"""
