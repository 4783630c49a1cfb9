"""Contacts: who there is to write to, what they did, and which of them a segment or a campaign means.

Owns contacts with their data and subscription, tracked events, and segments. Takes `cmd.contacts.>` and
`qry.contacts.>`; says `contact.*`, `event.tracked`, `segment.*` and `audience.*` on `evt.contacts.>`. Hears
`email.bounced` and `email.complained` from feedback (which end a subscription), what else became of each mail (which
segments can ask about), and `campaign.sending_started` from campaigns (which resolves the audience, page by page).
"""
