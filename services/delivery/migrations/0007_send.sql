-- What was asked for with one mail beyond its content: headers, attachments, the recipient's name, no tracking.
alter table email add column extras jsonb;
