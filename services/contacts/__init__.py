"""Contacts: who there is to write to, what they did, and which of them a segment or a campaign means.

Owns contacts with their data and subscription, tracked events, and segments. Takes `cmd.contacts.>` and
`qry.contacts.>`; says `contact.*`, `event.tracked`, `segment.created` and `audience.*` on `evt.contacts.>`. Hears
`email.bounced` and `email.complained` from feedback (which end a subscription) and `campaign.sending_started` from
campaigns (which resolves the audience, page by page).
"""
