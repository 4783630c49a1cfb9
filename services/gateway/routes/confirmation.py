"""Double opt-in: asking a contact by mail whether it wants to be subscribed."""

from html import escape
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from libs.kernel.field_errors import ONE_LINE
from libs.kernel.locales import negotiate_locale
from libs.runtime.clock import uuid7
from libs.schemas.contacts.contacts import AskForConfirmation, ContactView
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.emails import QueuedEmail, SendEmail
from libs.schemas.gateway import GetProject, ProjectView
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import Email, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse, command_responses
from services.gateway.pages.translations import TRANSLATIONS, Translation

TAGS = ["Contacts"]

MAIL = (
    '<html lang="{locale}"><body><p>{question}</p>'
    '<p><a href="{{{{ subscribeUrl }}}}">{confirm}</a></p><p>{ignore}</p></body></html>'
)


class ConfirmationBody(Body, frozen=True, kw_only=True):
    """Either `from`, for the mail that comes with Godwit, or a `template` of your own that has `{{ subscribeUrl }}`."""

    from_: Email | None = msgspec.field(default=None, name="from")
    name: Annotated[str, Meta(max_length=100, pattern=ONE_LINE)] | None = None
    template: UUID | None = None


@post(
    "/contacts/{contact_id:str}/confirmation", status_code=200, responses=command_responses(QueuedEmail, 200), tags=TAGS
)
async def ask_for_confirmation(
    contact_id: FromPath[str], data: JSONBody[ConfirmationBody], request: ApiRequest
) -> RawResponse:
    """Ask a contact to confirm its subscription

    Sends a mail with a link to a page where the contact says yes (double opt-in); until then it stays unsubscribed.
    The mail is in the contact's language. A contact can be asked once an hour and five times a day (429).
    """
    if data.template is None and data.from_ is None:
        raise invalid_field("from", "Either from or template is required", "required")
    project = None if data.template else await _project(request)
    command = AskForConfirmation(contact_id=parse_id(contact_id, "Contact"))
    contact = msgspec.json.decode(await request.execute(command, "ask"), type=ContactView)
    content = _content(contact, project, data) if project else None
    return RawResponse(await request.execute(_mail(contact, content, data.template), "mail"))


async def _project(request: ApiRequest) -> ProjectView:
    return msgspec.json.decode(await request.query(GetProject()), type=ProjectView)


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
    words = TRANSLATIONS[locale]
    return Content(
        subject=words.confirm_subject,
        body=_body(words, locale, project.name),
        from_email=data.from_ or "",
        from_name=data.name or project.name,
        kind="TRANSACTIONAL",
    )


def _body(words: Translation, locale: str, sender: str) -> str:
    """A template: the address and the link are filled in when the mail is written. The sender's name is text in it."""
    name = escape(sender).replace("{", "&#123;").replace("%", "&#37;")
    question = words.confirm_question.format(sender=name, address="{{ email }}")
    return MAIL.format(locale=locale, question=question, confirm=words.confirm, ignore=words.confirm_ignore)


ROUTES = [ask_for_confirmation]
