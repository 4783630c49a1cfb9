-- Only what SES reported concerns the list of its account, which all projects share. Up to now every bounce and complaint
-- went there, also those that a project listed by itself, so all entries count as reported until the next rebuild.
do $$
begin
    if to_regclass('suppressed_address') is not null then
        alter table suppressed_address
            add column if not exists bounce_reported_at timestamptz not null default '-infinity',
            add column if not exists complaint_reported_at timestamptz not null default '-infinity';
        update suppressed_address set bounce_reported_at = bounced_at, complaint_reported_at = complained_at
        where bounced_at > '-infinity' or complained_at > '-infinity';
    end if;
end $$;
