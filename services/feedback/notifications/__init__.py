"""SES notifications: their shapes, the facts they state about a mail, and the archive of the raw messages."""
