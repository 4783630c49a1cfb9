"""What mails are made of: templates and campaigns' content, contacts' data, projects' languages."""
