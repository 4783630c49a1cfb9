"""Claims due mails and loads what they are made of; decides in that transaction which must not be sent."""
