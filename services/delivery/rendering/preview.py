"""Showing a mail before there is one: written as it would be sent, with what its author should know of it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from libs.kernel.liquid import variables_in
from libs.kernel.rejection import invalid
from libs.runtime.clock import now
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.delivery.content import Hint, MailPreview, PreviewMail
from services.delivery.ledger.mail import Links, Mail, variables
from services.delivery.rendering.message import Letter, write
from services.delivery.rendering.templates import Unrenderable

GMAIL_CLIPS_AT = 102_400
LONG_SUBJECT = 78
NOBODY = UUID(int=0)


def preview_mail(links: Links) -> QueryHandler:
    async def answer(conn: Connection, project: UUID, query: PreviewMail) -> MailPreview:
        mail = _mail(project, query)
        try:
            letter = await asyncio.to_thread(write, mail, links)
        except Unrenderable as bad:
            raise invalid("body", str(bad), "invalid_template", "The mail cannot be rendered") from bad
        return MailPreview(
            subject=letter.subject, html=letter.html, text=letter.text, warnings=list(_warnings(mail, letter, links))
        )

    return answer


def _mail(project: UUID, query: PreviewMail) -> Mail:
    contact_id = query.contact_id or NOBODY
    return Mail(
        id=NOBODY,
        project=project,
        contact_id=contact_id,
        source="TRANSACTIONAL",
        recipient=query.recipient,
        content=query.content,
        data=encode(query.data).decode(),
        contact_data=encode(query.contact_data).decode(),
        subscribed=True,
        listed=None,
        meta="{}",
        claimed_at=now(),
    )


def _warnings(mail: Mail, letter: Letter, links: Links) -> Iterable[Hint]:
    """What is not wrong, but may not be what the author wants."""
    urls = links.of(mail.project, mail.contact_id, mail.id)
    values = variables(mail, urls)
    asked = sorted({*variables_in(mail.content.subject), *variables_in(mail.content.body)})
    for name in asked:
        if not _known(name, values):
            yield Hint(code="UNKNOWN_VARIABLE", message=f"Nothing is known of {name}: it is empty", variable=name)
    if mail.content.kind == "MARKETING" and "unsubscribeUrl" not in asked and "manageUrl" not in asked:
        yield Hint(
            code="NO_UNSUBSCRIBE_LINK", message="The body has no unsubscribe link, so a footer with one is added"
        )
    if (size := len(letter.html.encode())) > GMAIL_CLIPS_AT:
        yield Hint(code="TOO_LARGE_FOR_GMAIL", message=f"Gmail clips mails of more than 102 kB; this has {size} B")
    if not letter.subject:
        yield Hint(code="EMPTY_SUBJECT", message="The subject is empty")
    elif len(letter.subject) > LONG_SUBJECT:
        yield Hint(code="LONG_SUBJECT", message=f"Most mail programs show less than {LONG_SUBJECT} characters")


def _known(name: str, values: Mapping[str, Any]) -> bool:
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return True  # a list's size, a text's part: Liquid knows more of values than names
        if part not in found:
            return False
        found = found[part]
    return True
