-- Bounces and complaints of before may name no address. Until the read model is rebuilt, all of them block the contact.
do $$ begin
    if to_regclass('suppression') is not null then
        alter table suppression add column unnamed_bounced_at timestamptz not null default '-infinity';
        alter table suppression add column unnamed_complained_at timestamptz not null default '-infinity';
        update suppression set unnamed_bounced_at = bounced_at, unnamed_complained_at = complained_at;
    end if;
end $$;
