"""Rendering mails: ten kilobytes of HTML with ten variables, from the template to the arguments of the SES call.

Measured in CPU time, because a sender does other work at the same time: the mails per second that one core can render.
"""

import time
from uuid import uuid4

from rich.table import Table

from deploy.demo.screen import console
from libs.kernel.links import KeyRing
from libs.runtime.eventstore.codec import encode
from libs.schemas.delivery.content import Content, Utm
from services.delivery.ledger.mail import Mail
from services.delivery.rendering.message import request_for
from services.delivery.rendering.renderer import Renderer
from services.delivery.rendering.variables import Links

MAILS = 3_000
ROUNDS = 5
PLAIN = Content(
    subject="News for {{ v0 }}",
    body="<html><body>"
    + "".join(
        f"<h2>Dear {{{{ v{number} }}}}</h2><p>{'What there is to say of it. ' * 33}</p>"
        f'<a href="https://example.com/{number}">Read on</a>'
        for number in range(10)
    )
    + "</body></html>",
    from_email="news@example.com",
)
TAGGED = Content(subject=PLAIN.subject, body=PLAIN.body, from_email=PLAIN.from_email, utm=Utm(source="newsletter"))
RENDERER = Renderer(Links("https://mail.example.com", KeyRing(("a key that is only for this measurement",))))


def main() -> None:
    table = Table(title=f"writing a mail of {len(PLAIN.body):,} bytes", title_justify="left")
    for column in ("content", "mails/s and core", "CPU µs"):
        table.add_column(column, justify="right")
    for name, content in (("plain", PLAIN), ("with UTM parameters", TAGGED)):
        seconds = min(_measured(content) for _ in range(ROUNDS))
        table.add_row(name, f"{1 / seconds:,.0f}", f"{seconds * 1e6:,.0f}")
    console.print(table)


def _measured(content: Content) -> float:
    """Return the CPU seconds per mail."""
    mails = [_mail(number, content) for number in range(MAILS)]
    began = time.process_time()
    for mail in mails:
        request_for(mail, RENDERER.render(mail), "godwit")
    return (time.process_time() - began) / MAILS


def _mail(number: int, content: Content) -> Mail:
    return Mail(
        id=uuid4(),
        project=uuid4(),
        contact_id=uuid4(),
        source="CAMPAIGN",
        campaign_id=uuid4(),
        recipient=f"reader.{number}@example.com",
        content=content,
        data="{}",
        contact_data=encode({f"v{each}": f"{number}-{each}" for each in range(10)}).decode(),
        subscribed=True,
        listed=None,
        meta="{}",
    )
