-- When a mail was last sent to SES's mailbox simulator to see whether notifications flow.
alter table heard add column probed_at timestamptz;
