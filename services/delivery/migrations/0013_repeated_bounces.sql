-- Why an address is listed is worked out from more than before: `suppressed_address` makes the column anew.
alter table if exists suppressed_address drop column if exists reason;
