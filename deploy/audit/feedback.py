"""The figures of feedback: what is known about each email, its links, and the hourly counts that judge a project."""

from deploy.audit.figure import Check

MAILS = Check(
    "feedback",
    counted="""
    select project, 'mails ' || figure as figure, stream as key, n
    from (
        select project, stream,
            count(distinct data ->> 'messageId') filter (where type = 'email.confirmed') as confirmed,
            max((type = 'email.delivered')::int) as delivered,
            count(*) filter (where type = 'email.opened' and not machine) as opens,
            count(*) filter (where type = 'email.opened' and machine) as machine_opens,
            count(*) filter (where type = 'email.clicked' and not machine) as clicks,
            count(*) filter (where type = 'email.clicked' and machine) as machine_clicks,
            max((type = 'email.bounced' and data ->> 'bounceType' <> 'Transient')::int) as bounced,
            max((type = 'email.bounced' and data ->> 'bounceType' = 'Transient')::int) as soft_bounced,
            max((type = 'email.complained')::int) as complained,
            max(version) as version
        from (
            select *, coalesce((data ->> 'machine')::boolean, false) as machine from feedback.events
            where stream like 'feedback-%'
        ) as event
        group by project, stream
    ) as mail,
    lateral (
        values ('confirmed', confirmed), ('delivered', delivered), ('opened', opens), ('opened by machines',
            machine_opens), ('clicked', clicks), ('clicked by machines', machine_clicks), ('bounced', bounced),
            ('bounced for now', soft_bounced), ('complained about', complained), ('changed', version)
    ) as told (figure, n)
    where n <> 0
    """,
    shown="""
    select project, 'mails ' || figure as figure, 'feedback-' || email_id as key, n
    from feedback.email_feedback,
    lateral (
        values ('confirmed', cardinality(message_ids)), ('delivered', (delivered_at is not null)::int),
            ('opened', opens), ('opened by machines', machine_opens), ('clicked', clicks),
            ('clicked by machines', machine_clicks), ('bounced', (bounced_at is not null)::int),
            ('bounced for now', (soft_bounced_at is not null)::int),
            ('complained about', (complained_at is not null)::int), ('changed', version)
    ) as told (figure, n)
    where n <> 0
    """,
)
# The log encrypts links, so their clicks are compared mail by mail.
LINKS = Check(
    "feedback",
    counted="""
    select project, 'clicks on links' as figure, stream as key, count(*) as n
    from feedback.events where type = 'email.clicked' group by project, stream
    """,
    shown="""
    select project, 'clicks on links' as figure, 'feedback-' || email_id as key, sum(clicks + machine_clicks) as n
    from feedback.email_link group by project, email_id
    """,
)
# Email to SES's simulator does not count. Addresses are encrypted in the log, so the recipient comes from the ledger;
# if the recipient has been forgotten since, the hour can no longer be counted.
HOURS = Check(
    "feedback",
    counted="""
    select project, 'mails by hour: ' || figure as figure, date_trunc('hour', at, 'UTC')::text as key,
        case when bool_or(forgotten) then null else count(*) filter (where not simulated) end as n
    from (
        select event.project, case type when 'email.confirmed' then 'sent' else substring(type from 7) end as figure,
            (event.data ->> 'at')::timestamptz as at,
            bad and coalesce(email.recipient = '', false) as forgotten,
            bad and coalesce(email.recipient like '%@simulator.amazonses.com', false) as simulated
        from (
            select *, type in ('email.bounced', 'email.complained') as bad from feedback.events
            where type = 'email.confirmed'
                or type in ('email.delivered', 'email.opened', 'email.clicked', 'email.complained', 'email.bounced')
                    and coalesce((data ->> 'first')::boolean, true)
                    and data ->> 'bounceType' is distinct from 'Transient'
        ) as event
        left join delivery.email on event.bad and email.id = (event.data ->> 'emailId')::uuid
    ) as told
    group by project, figure, key
    """,
    shown="""
    select project, 'mails by hour: ' || figure as figure, hour::text as key, n
    from feedback.tally,
    lateral (
        values ('sent', sent), ('delivered', delivered), ('opened', opened), ('clicked', clicked),
            ('bounced', bounced), ('complained', complained)
    ) as told (figure, n)
    where n <> 0
    """,
)

CHECKS = (MAILS, LINKS, HOURS)
