"""The figures of delivery: the conservation law, and who must not be written to."""

from deploy.audit.figure import Check

# Email by email. In the log, an email that is not final is queued; until its outcome it changes only in the ledger.
MAILS = Check(
    "delivery",
    counted="""
    select project, figure, stream as key, 1 as n
    from (
        select distinct on (stream) project, stream,
            case type when 'email.queued' then 'open' else substring(type from 7) end as state
        from delivery.events
        where type in ('email.queued', 'email.sent', 'email.failed', 'email.suppressed', 'email.cancelled')
        order by stream, version desc
    ) as outcome, lateral (values ('mails in all'), ('mails ' || state)) as told (figure)
    """,
    shown="""
    select project, figure, 'email-' || id as key, 1 as n
    from (
        select id, project, case when state in ('queued', 'claimed', 'unknown') then 'open' else state end as state
        from delivery.email
    ) as mail, lateral (values ('mails in all'), ('mails ' || state)) as told (figure)
    """,
)
MAILS_OF_CAMPAIGNS = Check(
    "delivery",
    counted="""
    select project, 'mails of campaigns sent' as figure, data ->> 'campaignId' as key, count(*) as n
    from delivery.events where type = 'email.sent' and data ->> 'campaignId' is not null
    group by project, key
    """,
    shown="""
    select project, 'mails of campaigns sent' as figure, campaign_id::text as key, count(*) as n
    from delivery.email where state = 'sent' and campaign_id is not null
    group by project, campaign_id
    """,
)
BAD_MAILBOXES = Check(
    "delivery",
    counted="""
    select distinct project, case type when 'email.bounced' then 'contacts that bounced' else 'contacts that complained'
        end as figure, data ->> 'contactId' as key, 1 as n
    from feedback.events as event
    where (type = 'email.complained' or type = 'email.bounced' and data ->> 'bounceType' = 'Permanent')
        and {handled}
    """,
    shown="""
    select project, 'contacts that bounced' as figure, contact_id::text as key, 1 as n
    from delivery.suppression where bounced_at > '-infinity'
    union all
    select project, 'contacts that complained', contact_id::text, 1
    from delivery.suppression where complained_at > '-infinity'
    """,
)
LISTED = Check(
    "delivery",
    counted="""
    select project, 'addresses listed by hand' as figure, data ->> 'address' as key, 1 as n
    from delivery.events where type in ('address.suppressed', 'address.released')
    group by project, data ->> 'address'
    having coalesce(max(recorded_at) filter (where data ->> 'reason' = 'MANUAL'), '-infinity')
        > coalesce(max(recorded_at) filter (where type = 'address.released'), '-infinity')
    """,
    shown="""
    select project, 'addresses listed by hand' as figure, address as key, 1 as n
    from delivery.suppressed_address where reason = 'MANUAL'
    """,
)
PAUSED = Check(
    "delivery",
    counted="""
    select project, 'bulk mail paused' as figure, project::text as key, 1 as n
    from (
        select distinct on (project) project, type from feedback.events as event
        where type in ('sending.paused', 'sending.resumed') and {handled}
        order by project, version desc
    ) as decision
    where type = 'sending.paused'
    """,
    shown="""
    select project, 'bulk mail paused' as figure, project::text as key, 1 as n
    from delivery.paused_project where paused
    """,
)

CHECKS = (MAILS, MAILS_OF_CAMPAIGNS, BAD_MAILBOXES, LISTED, PAUSED)
