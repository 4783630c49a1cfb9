"""Previews of mails: rendered as they would be sent, with hints for their author."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from libs.kernel.liquid import variables_in
from libs.kernel.rejection import Rejected, invalid
from libs.runtime.clock import now
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.delivery.content import Hint, MailPreview, PreviewMail
from services.delivery.ledger.mail import Mail
from services.delivery.rendering.message import RenderedMail
from services.delivery.rendering.renderer import Renderer, RendererBusy, TooExpensive
from services.delivery.rendering.templates import Unrenderable
from services.delivery.rendering.variables import Links, variables

PATIENCE = 3.0
"""Seconds that a preview waits for its turn."""

GMAIL_CLIP_BYTES = 102_400
LONG_SUBJECT = 78
NIL = UUID(int=0)


def preview_mail(links: Links, renderer: Renderer) -> QueryHandler:
    async def preview(conn: Connection, project: UUID, query: PreviewMail) -> MailPreview:
        mail = _mail(project, query)
        try:
            rendered = await asyncio.to_thread(renderer.render, mail, PATIENCE)
        except RendererBusy as busy:
            raise Rejected("SERVICE_UNAVAILABLE", "Other previews of this project are still being rendered") from busy
        except TooExpensive as bad:
            raise invalid("body", str(bad), "template_too_expensive", "The mail cannot be rendered") from bad
        except Unrenderable as bad:
            raise invalid("body", str(bad), "invalid_template", "The mail cannot be rendered") from bad
        return MailPreview(
            subject=rendered.subject,
            html=rendered.html,
            text=rendered.text,
            warnings=list(_warnings(mail, rendered, links)),
        )

    return preview


def _mail(project: UUID, query: PreviewMail) -> Mail:
    contact_id = query.contact_id or NIL
    return Mail(
        id=NIL,
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


def _warnings(mail: Mail, rendered: RenderedMail, links: Links) -> Iterable[Hint]:
    """Yield hints about what is valid but may not be what the author wants."""
    urls = links.of(mail.project, mail.contact_id, mail.id)
    values = variables(mail, urls)
    used = sorted({*variables_in(mail.content.subject), *variables_in(mail.content.body)})
    for name in used:
        if not _has_value(name, values):
            yield Hint(
                code="UNKNOWN_VARIABLE",
                message=f"{name} has no value for this recipient and renders as empty",
                variable=name,
            )
    if mail.content.kind == "MARKETING" and "unsubscribeUrl" not in used and "manageUrl" not in used:
        yield Hint(
            code="NO_UNSUBSCRIBE_LINK", message="The body has no unsubscribe link, so a footer with one will be added"
        )
    if (size := len(rendered.html.encode())) > GMAIL_CLIP_BYTES:
        yield Hint(
            code="TOO_LARGE_FOR_GMAIL", message=f"Gmail clips mails larger than 102 kB; this one has {size} bytes"
        )
    if not rendered.subject:
        yield Hint(code="EMPTY_SUBJECT", message="The subject is empty")
    elif len(rendered.subject) > LONG_SUBJECT:
        yield Hint(
            code="LONG_SUBJECT", message=f"Most mail clients show fewer than {LONG_SUBJECT} characters of the subject"
        )


def _has_value(name: str, values: Mapping[str, Any]) -> bool:
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return True  # Liquid also reads parts of other values, such as the size of a list
        if part not in found:
            return False
        found = found[part]
    return True
