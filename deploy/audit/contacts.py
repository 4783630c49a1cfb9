"""The figures of contacts: contacts, their fields, tracked events, email activity, and members of segments.

What the log encrypts (addresses, data) is not read: fields are counted from the contact rows, and every change of those
is checked against the log.
"""

from deploy.audit.figure import Check

CONTACTS = Check(
    "contacts",
    counted="""
    select project, figure, stream as key, n
    from (
        select project, stream, max(version) as version, bool_or(type = 'contact.deleted') as gone,
            (array_agg(
                case type when 'contact.created' then (data ->> 'subscribed')::boolean
                    else type = 'contact.subscribed' end
                order by version desc
            ) filter (where type in ('contact.created', 'contact.subscribed', 'contact.unsubscribed')))[1] as subscribed
        from contacts.events
        where type in (
            'contact.created', 'contact.updated', 'contact.subscribed', 'contact.unsubscribed', 'contact.deleted'
        )
        group by project, stream
    ) as contact,
    lateral (
        values ('contacts', 1), ('contacts subscribed', subscribed::int), ('changes of contacts', version)
    ) as told (figure, n)
    where not gone
    """,
    shown="""
    select project, figure, 'contact-' || id as key, n
    from contacts.contact,
    lateral (
        values ('contacts', 1), ('contacts subscribed', subscribed::int), ('changes of contacts', version)
    ) as told (figure, n)
    """,
)
COUNTER = Check(
    "contacts",
    counted="""
    select project, 'count of contacts' as figure, '' as key,
        sum(case type when 'contact.created' then 1 else -1 end) as n
    from contacts.events where type in ('contact.created', 'contact.deleted')
    group by project
    """,
    shown="""
    select project, 'count of contacts' as figure, '' as key, sum(count) as n from contacts.contact_count
    group by project
    """,
)
FIELDS = Check(
    "contacts",
    counted="""
    select project, 'contacts with a field' as figure, field || ' (' || case jsonb_typeof(value)
            when 'boolean' then 'boolean' when 'number' then 'number'
            when 'string' then case when contacts.instant(value) is null then 'string' else 'date' end
            else 'string' end || ')' as key, count(*) as n
    from contacts.contact, lateral jsonb_each(contact.data) as each (field, value)
    group by project, key
    """,
    shown="""
    select project, 'contacts with a field' as figure, field || ' (' || kind || ')' as key, sum(count) as n
    from contacts.contact_field group by project, field, kind having sum(count) <> 0
    """,
)
TRACKED = Check(
    "contacts",
    counted="""
    select project, 'tracked events' as figure, contact || ' ' || name as key, sum(n)::bigint as n
    from (
        select project, data ->> 'contactId' as contact, data ->> 'name' as name, 1::bigint as n
        from contacts.events where type = 'event.tracked'
        union all
        select project, erased ->> 'contactId', data ->> 'name', - (erased ->> 'count')::bigint
        from contacts.events, lateral jsonb_array_elements(data -> 'contacts') as erased
        where type = 'event-deletion.progressed'
    ) as told
    group by project, contact, name
    """,
    shown="""
    select project, 'tracked events' as figure, contact_id || ' ' || name as key, count as n
    from contacts.contact_event
    """,
)
# A tracked event leaves the list when its contact is deleted, or when its name is deleted.
LISTED_EVENTS = Check(
    "contacts",
    counted="""
    select event.project, 'tracked events listed' as figure, event.data ->> 'name' as key, count(*) as n
    from contacts.events as event
    where event.type = 'event.tracked'
        and not exists (
            select from contacts.events as gone where gone.type = 'contact.deleted'
                and gone.project = event.project and gone.stream = 'contact-' || (event.data ->> 'contactId')
        )
        and not exists (
            select from (
                select project, data ->> 'name' as name, erased ->> 'contactId' as contact,
                    (data ->> 'through')::timestamptz as through
                from contacts.events, lateral jsonb_array_elements(data -> 'contacts') as erased
                where type = 'event-deletion.progressed'
            ) as erasure
            where erasure.project = event.project and erasure.name = event.data ->> 'name'
                and erasure.contact = event.data ->> 'contactId' and event.recorded_at <= erasure.through
        )
    group by event.project, event.data ->> 'name'
    """,
    shown="""
    select project, 'tracked events listed' as figure, name as key, count(*) as n
    from contacts.tracked_event group by project, name
    """,
)
# Events about a contact may arrive after its deletion, and then stay or are erased, so only existing contacts count.
ACTIVITY = Check(
    "contacts",
    counted="""
    select event.project, 'mails to contacts ' || substring(type from 7) as figure, data ->> 'contactId' as key,
        count(*) as n
    from (
        select * from delivery.events where type = 'email.sent'
        union all
        select * from feedback.events
        where type in ('email.delivered', 'email.bounced', 'email.complained')
            or type in ('email.opened', 'email.clicked') and not coalesce((data ->> 'machine')::boolean, false)
    ) as event
    where {handled} and exists (
        select from contacts.contact
        where contact.project = event.project and contact.id = (event.data ->> 'contactId')::uuid
    )
    group by event.project, type, data ->> 'contactId'
    """,
    shown="""
    select activity.project, 'mails to contacts ' || name as figure, contact_id::text as key, count as n
    from contacts.contact_activity as activity
    join contacts.contact on contact.project = activity.project and contact.id = activity.contact_id
    """,
)
LISTS = Check(
    "contacts",
    counted="""
    select project, 'contacts on lists' as figure, segment || ' ' || contact as key, 1 as n
    from (
        select distinct on (project, segment, contact) project, data ->> 'segmentId' as segment, contact, type
        from contacts.events, lateral jsonb_array_elements_text(data -> 'contactIds') as contact
        where type in ('segment.members_added', 'segment.members_removed')
        order by project, segment, contact, version desc
    ) as latest
    where type = 'segment.members_added' and not exists (
        select from contacts.events as gone
        where gone.type in ('contact.deleted', 'segment.deleted') and gone.project = latest.project
            and gone.stream in ('contact-' || contact, 'segment-' || segment)
    )
    """,
    shown="""
    select project, 'contacts on lists' as figure, segment_id || ' ' || contact_id as key, 1 as n
    from contacts.segment_list
    """,
)
# Membership of a dynamic segment follows from contacts and time, so this only checks that the stored count is right.
MEMBERS = Check(
    "contacts",
    counted="""
    select project, 'members of segments' as figure, segment_id::text as key, count(*) as n
    from contacts.segment_member group by project, segment_id
    """,
    shown="""
    select state.project, 'members of segments' as figure, state.segment_id::text as key, members as n
    from contacts.segment_state as state where topics is not null and exists (
        select from contacts.segment where segment.project = state.project and segment.id = state.segment_id
    )
    """,
)

CHECKS = (CONTACTS, COUNTER, FIELDS, TRACKED, LISTED_EVENTS, ACTIVITY, LISTS, MEMBERS)
