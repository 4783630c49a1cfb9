"""How far the sending of a campaign is: counts of its recipients and of what became of their mails."""
