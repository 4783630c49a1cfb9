-- Whose mails there are: to withdraw and to blank them when the contact is deleted.
create index email_contact on email (project, contact_id);
