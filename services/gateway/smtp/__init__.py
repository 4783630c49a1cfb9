"""The SMTP relay: mail programs and applications that speak SMTP send through the API's own `/v1/send`.

A message is answered with 250 only when its mails are committed. What `/v1/send` refuses is refused here, in SMTP's
words; so both have the same rules, limits and promises.
"""

from services.gateway.smtp.server import serve_smtp

__all__ = ["serve_smtp"]
