-- How far each campaign with a rate is: when its next mail may go out, and up to when mails wait for their turn. Whether
-- a campaign has a rate is in the log; this only goes on.
create table campaign_meter (
    project uuid not null,
    campaign_id uuid not null,
    next_at timestamptz not null,
    placed_until timestamptz not null,
    primary key (project, campaign_id)
) with (fillfactor = 50);
