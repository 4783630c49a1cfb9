-- Links may say who followed them, so they are forgotten with the contact. Those counted before get their contact.
alter table if exists email_link add column if not exists contact_id uuid;
do $$ begin
    if to_regclass('email_link') is not null then
        update email_link set contact_id = (event.data ->> 'contactId')::uuid
        from events as event
        where event.type = 'email.clicked' and event.project = email_link.project
            and event.stream = 'feedback-' || email_link.email_id;
    end if;
end $$;
