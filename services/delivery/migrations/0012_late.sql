-- When a notification came last that told of something long past: others of that time may still be on their way.
alter table heard add column late_at timestamptz;
