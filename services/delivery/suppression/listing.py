"""SQL that tells why an address is blocked."""

from services.delivery.suppression.address_hash import ADDRESS_HASH

# At most one row, whether the list has the address itself or only its hash.
LISTING = f"""left join lateral (
    select reason, released_at from suppressed_address
    where project = {{project}} and address in ({{address}}, {ADDRESS_HASH})
    order by reason nulls last limit 1
) listing on true"""  # noqa: S608 - a constant
# Why the recipient's address is blocked: because of its mailbox, or because somebody listed it. Previews and claims
# share this text, so a preview shows what the claim will decide.
LISTED = """
    case when recipient.erased then 'erased'
        when listing.reason = 'MANUAL' or account_suppression.address is not null then 'listed'
        when listing.reason in ('BOUNCE', 'REPEATED_BOUNCE') then 'bounced'
        when suppression.unnamed_bounced_at > greatest(suppression.subscribed_at, listing.released_at) then 'bounced'
        when listing.reason = 'COMPLAINT' then 'complained'
        when suppression.unnamed_complained_at > greatest(suppression.subscribed_at, listing.released_at)
            then 'complained'
        end
"""
