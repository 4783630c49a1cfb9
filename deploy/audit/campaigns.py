"""The figures of campaigns: the counters of each campaign, its hours, its links, and the state of each recipient."""

from deploy.audit.figure import Check

RUNS = Check(
    "campaigns",
    counted="""
    select project, 'campaigns: ' || figure as figure, campaign as key, sum(n)::bigint as n
    from (
        select project, data ->> 'campaignId' as campaign,
            case type when 'audience.resolved' then 'total' else 'resolved' end as figure,
            case type when 'audience.resolved' then (data ->> 'total')::int
                else jsonb_array_length(data -> 'members') end as n
        from contacts.events as event
        where type in ('audience.resolved', 'audience.page_resolved') and {handled}
        union all
        select project, data ->> 'campaignId', substring(type from 7), 1
        from delivery.events as event
        where type in ('email.sent', 'email.failed', 'email.suppressed', 'email.cancelled') and {handled}
        union all
        select project, data ->> 'campaignId', substring(type from 7), 1
        from feedback.events as event
        where type in ('email.delivered', 'email.opened', 'email.clicked', 'email.complained')
            and coalesce((data ->> 'first')::boolean, true) and not coalesce((data ->> 'machine')::boolean, false)
            and {handled}
        union all
        select project, data ->> 'campaignId', case type when 'email.opened' then 'opens' else 'clicks' end, 1
        from feedback.events as event
        where type in ('email.opened', 'email.clicked') and not coalesce((data ->> 'machine')::boolean, false)
            and {handled}
        union all
        select project, data ->> 'campaignId',
            case data ->> 'bounceType' when 'Transient' then 'soft bounced' else 'hard bounced' end, 1
        from feedback.events as event
        where type = 'email.bounced' and coalesce((data ->> 'first')::boolean, true) and {handled}
        union all
        select project, data ->> 'campaignId', 'bounced', count(distinct data ->> 'emailId')
        from feedback.events as event
        where type = 'email.bounced' and coalesce((data ->> 'first')::boolean, true) and {handled}
        group by project, data ->> 'campaignId'
    ) as told
    where campaign is not null group by project, figure, campaign
    """,
    shown="""
    select project, 'campaigns: ' || figure as figure, campaign_id::text as key, n
    from campaigns.campaign_run,
    lateral (
        values ('total', total), ('resolved', resolved), ('sent', sent), ('failed', failed),
            ('suppressed', suppressed), ('cancelled', cancelled), ('delivered', delivered), ('opened', opened),
            ('clicked', clicked), ('bounced', bounced), ('complained', complained), ('hard bounced', hard_bounced),
            ('soft bounced', soft_bounced), ('opens', opens), ('clicks', clicks)
    ) as told (figure, n)
    where n <> 0
    """,
)
REASONS = Check(
    "campaigns",
    counted="""
    select project, 'campaigns: suppressed, ' || (data ->> 'reason') as figure, data ->> 'campaignId' as key,
        count(*) as n
    from delivery.events as event
    where type = 'email.suppressed' and data ->> 'campaignId' is not null and {handled}
    group by project, data ->> 'reason', data ->> 'campaignId'
    """,
    shown="""
    select project, 'campaigns: suppressed, ' || reason as figure, campaign_id::text as key, mails as n
    from campaigns.campaign_suppressed
    """,
)
HOURS = Check(
    "campaigns",
    counted="""
    select project, 'campaigns by hour: ' || substring(type from 7) as figure,
        (data ->> 'campaignId') || ' ' || date_trunc('hour', at, 'UTC') as key, count(*) as n
    from (
        select id, project, type, data, recorded_at, recorded_at as at from delivery.events where type = 'email.sent'
        union all
        select id, project, type, data, recorded_at, (data ->> 'at')::timestamptz from feedback.events
        where type in ('email.delivered', 'email.opened', 'email.clicked', 'email.bounced', 'email.complained')
            and coalesce((data ->> 'first')::boolean, true) and not coalesce((data ->> 'again')::boolean, false)
    ) as event
    where data ->> 'campaignId' is not null and {handled}
    group by project, type, key
    """,
    shown="""
    select project, 'campaigns by hour: ' || figure as figure, campaign_id || ' ' || hour as key, n
    from campaigns.campaign_hour,
    lateral (
        values ('sent', sent), ('delivered', delivered), ('opened', opened), ('clicked', clicked),
            ('bounced', bounced), ('complained', complained)
    ) as told (figure, n)
    where n <> 0
    """,
)
# The log encrypts links, so their clicks are compared campaign by campaign.
LINKS = Check(
    "campaigns",
    counted="""
    select project, 'campaigns: clicks on links' as figure, data ->> 'campaignId' as key, count(*) as n
    from feedback.events as event
    where type = 'email.clicked' and data ->> 'campaignId' is not null
        and not coalesce((data ->> 'machine')::boolean, false) and {handled}
    group by project, key
    """,
    shown="""
    select project, 'campaigns: clicks on links' as figure, campaign_id::text as key, sum(clicks) as n
    from campaigns.campaign_click group by project, campaign_id
    """,
)
UNSUBSCRIBED = Check(
    "campaigns",
    counted="""
    select project, 'campaigns: unsubscribed' as figure, mail.data ->> 'campaignId' as key,
        count(distinct mail.stream) as n
    from (
        select project, data ->> 'emailId' as mail from contacts.events as event
        where type = 'contact.unsubscribed' and data ->> 'reason' in ('link', 'api') and {handled}
    ) as unsubscribe
    join (
        select project, stream, data from delivery.events as event
        where type = 'email.sent' and data ->> 'campaignId' is not null and {handled}
    ) as mail using (project)
    where mail.stream = 'email-' || unsubscribe.mail
    group by project, mail.data ->> 'campaignId'
    """,
    shown="""
    select project, 'campaigns: unsubscribed' as figure, campaign_id::text as key, count(*) as n
    from campaigns.campaign_mail where unsubscribed and campaign_id is not null group by project, campaign_id
    """,
)
# The state of a recipient is that of the email's latest event; a recipient without one is queued. Pages are large:
# `offset 0` makes the planner extract their members first, otherwise it would read the page again for each member.
RECIPIENTS = Check(
    "campaigns",
    counted="""
    select project, 'campaigns: recipients ' || state as figure, campaign || ' ' || contact as key, 1 as n
    from (
        select distinct on (project, campaign, contact) project, campaign, contact, state
        from (
            select project, campaign, member ->> 'contactId' as contact, 0 as version, 'queued' as state
            from (
                select project, data ->> 'campaignId' as campaign, data -> 'members' as members
                from contacts.events as event where type = 'audience.page_resolved' and {handled} offset 0
            ) as page, lateral jsonb_array_elements(members) as member
            union all
            select project, data ->> 'campaignId', data ->> 'contactId', version,
                case type when 'email.unresolved' then 'unknown' when 'email.requeued' then 'queued'
                    else substring(type from 7) end
            from delivery.events as event
            where type in ('email.sent', 'email.failed', 'email.suppressed', 'email.cancelled', 'email.unresolved',
                'email.requeued') and {handled}
            union all
            select project, data ->> 'campaignId', data ->> 'contactId', 0, 'queued'
            from feedback.events as event
            where type in ('email.delivered', 'email.opened', 'email.clicked', 'email.bounced', 'email.complained')
                and {handled}
        ) as told
        where campaign is not null
        order by project, campaign, contact, version desc
    ) as latest
    """,
    shown="""
    select project, 'campaigns: recipients ' || state as figure, campaign_id || ' ' || contact_id as key, 1 as n
    from campaigns.campaign_recipient
    """,
)
# The pages of the audience say who has which variant; the campaigns service computes it from the ids.
VARIANTS = Check(
    "campaigns",
    counted="""
    with member as (
        select project, campaign, member ->> 'contactId' as contact, handled,
            coalesce(member ->> 'variant', '') as variant
        from (
            select project, data ->> 'campaignId' as campaign, data -> 'members' as members, ({handled}) as handled
            from contacts.events as event
            where type = 'audience.page_resolved' and (project, data ->> 'campaignId') in (
                select project, data ->> 'campaignId' from campaigns.events
                where type = 'campaign.sending_started' and data -> 'abTest' -> 'variants' is not null)
            offset 0
        ) as page, lateral jsonb_array_elements(members) as member
    )
    select project, 'campaigns by variant: ' || figure as figure, campaign || ' ' || variant as key, count(*) as n
    from (
        select project, campaign, contact, 'resolved' as figure from member where handled
        union all
        select project, data ->> 'campaignId', data ->> 'contactId', substring(type from 7)
        from delivery.events as event
        where type in ('email.sent', 'email.failed', 'email.suppressed', 'email.cancelled') and {handled}
        union all
        select project, data ->> 'campaignId', data ->> 'contactId', substring(type from 7)
        from feedback.events as event
        where type in ('email.delivered', 'email.opened', 'email.clicked', 'email.complained')
            and coalesce((data ->> 'first')::boolean, true) and not coalesce((data ->> 'machine')::boolean, false)
            and {handled}
    ) as told
    join member using (project, campaign, contact)
    group by project, figure, campaign, variant
    """,
    shown="""
    select project, 'campaigns by variant: ' || figure as figure, campaign_id || ' ' || variant.key as key, n
    from campaigns.campaign_variant as variant,
    lateral (
        values ('resolved', resolved), ('sent', sent), ('failed', failed), ('suppressed', suppressed),
            ('cancelled', cancelled), ('delivered', delivered), ('opened', opened), ('clicked', clicked),
            ('complained', complained)
    ) as told (figure, n)
    where n <> 0
    """,
)

CHECKS = (RUNS, REASONS, HOURS, LINKS, UNSUBSCRIBED, RECIPIENTS, VARIANTS)
