"""The SMTP relay: mail programs and applications that speak SMTP send through the API's own `/v1/send`.

A message is answered with 250 only when its mails are committed. What `/v1/send` rejects is rejected here too, in terms
of SMTP, so both have the same rules, limits and guarantees.
"""
