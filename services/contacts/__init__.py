"""Contacts: the people that mails go to, what they did, and which of them belong to a segment or an audience.

Owns contacts with their data and subscription, tracked events, segments, and jobs on many contacts. Handles
`cmd.contacts.>` and `qry.contacts.>`; publishes `contact.*`, `event.tracked`, `field.*`, `segment.*`, `audience.*` and
the events of jobs on `evt.contacts.>`. Consumes the mail events of delivery and feedback, which segments can ask about
(`email.bounced` and `email.complained` also end subscriptions), and `campaign.sending_started`, which resolves the
campaign's audience.
"""
