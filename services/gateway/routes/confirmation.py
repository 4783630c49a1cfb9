"""Double opt-in: asking a contact by mail to confirm its subscription."""

from html import escape
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody

from libs.kernel.locales import negotiate_locale
from libs.runtime.clock import uuid7
from libs.schemas.contacts.contacts import AskForConfirmation, ContactView
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.emails import QueuedEmail, SendEmail
from libs.schemas.gateway import GetProject, ProjectView
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import Email, SenderName, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses
from services.gateway.pages.translations import TRANSLATIONS, Translation

TAGS = ["Contacts"]

MAIL = (
    '<html lang="{locale}"><body><p>{question}</p>'
    '<p><a href="{{{{ subscribeUrl }}}}">{confirm}</a></p><p>{ignore}</p></body></html>'
)


class ConfirmationBody(Body, frozen=True, kw_only=True):
    """Either `from`, for the built-in mail, or a `template` of your own that contains `{{ subscribeUrl }}`."""

    from_: Email | None = msgspec.field(default=None, name="from")
    name: SenderName | None = None
    template: UUID | None = None


@post(
    "/contacts/{contact_id:str}/confirmation", status_code=200, responses=command_responses(QueuedEmail, 200), tags=TAGS
)
async def ask_for_confirmation(
    contact_id: FromPath[str], data: JSONBody[ConfirmationBody], request: ApiRequest
) -> RawResponse:
    """Ask a contact to confirm its subscription

    Sends a mail with a link to a page where the contact confirms (double opt-in). Until then it stays unsubscribed. The
    mail is in the contact's language. A contact can be asked once an hour and five times a day (429).
    """
    if data.template is None and data.from_ is None:
        raise invalid_field("from", "Either from or template is required", "required")
    project = None if data.template else await _project(request)
    command = AskForConfirmation(contact_id=parse_id(contact_id, "Contact"))
    contact = msgspec.json.decode(await request.execute(command, "ask"), type=ContactView)
    content = _content(contact, project, data) if project else None
    return RawResponse(await request.execute(_mail(contact, content, data.template), "mail"))


async def _project(request: ApiRequest) -> ProjectView:
    return await request.query_as(GetProject(), ProjectView)


def _mail(contact: ContactView, content: Content | None, template: UUID | None) -> SendEmail:
    return SendEmail(
        email_id=uuid7(),
        contact_id=contact.id,
        recipient=contact.email,
        subscribed=False,
        content=content,
        template_id=template,
    )


def _content(contact: ContactView, project: ProjectView, data: ConfirmationBody) -> Content:
    locale = negotiate_locale([contact.data.get("locale"), project.language])
    texts = TRANSLATIONS[locale]
    return Content(
        subject=texts.confirm_subject,
        body=_body(texts, locale, project.name),
        from_email=data.from_ or "",
        from_name=data.name or project.name,
        kind="TRANSACTIONAL",
    )


def _body(texts: Translation, locale: str, sender: str) -> str:
    """Return a template. The address and the link are variables, the sender's name is escaped text."""
    name = escape(sender).replace("{", "&#123;").replace("%", "&#37;")
    question = texts.confirm_question.format(sender=name, address="{{ email }}")
    return MAIL.format(locale=locale, question=question, confirm=texts.confirm, ignore=texts.confirm_ignore)
