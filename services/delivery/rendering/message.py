"""Writes one mail as a request to SES's SendEmail. Pure.

Each call has one recipient, because an unanswered call for fifty would leave fifty unknowns. Most mails go as Simple
content, from which SES writes the MIME message; mails with custom headers or attachments go as a MIME message of our
own. SES repeats the tags in every notification.
"""

from collections.abc import Sequence
from email.header import Header
from email.utils import formataddr
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from libs.schemas.delivery.content import Mailbox
from services.delivery.ledger.mail import Mail
from services.delivery.rendering import mime
from services.delivery.rendering.footer import with_footer, with_text_footer
from services.delivery.rendering.plain_text import is_markup, text_template, tidied
from services.delivery.rendering.templates import Unrenderable, is_cheap, render_html, render_line, render_text
from services.delivery.rendering.utm import with_utm
from services.delivery.rendering.variables import Links, Urls, variables

if TYPE_CHECKING:
    from types_boto3_sesv2.type_defs import BodyTypeDef, EmailContentTypeDef, MessageTagTypeDef, SendEmailRequestTypeDef

MAX_SUBJECT = 998
SIMULATOR = "success@simulator.amazonses.com"
NO_PROJECT = str(UUID(int=0))
BULK_HEADERS = {
    "Precedence": "bulk",
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "All",
}


class RenderedMail(msgspec.Struct, frozen=True, kw_only=True):
    """What one recipient gets: addresses in the form of headers, and rendered texts."""

    sender: str
    recipient: str
    to: str
    cc: str
    reply_to: str | None
    subject: str
    html: str
    text: str
    headers: dict[str, str]


class ComposedRequest(msgspec.Struct, frozen=True):
    """The arguments of the call, and the rendered subject."""

    request: "SendEmailRequestTypeDef"
    subject: str


def compose(
    mail: Mail, links: Links, configuration_set: str, files: Sequence[mime.AttachedFile] = ()
) -> ComposedRequest:
    """Render the mail into a request; `files` are its attachments.

    Raises Unrenderable, also for an address that cannot appear in a mail.
    """
    return request_for(mail, render(mail, links), configuration_set, files)


def request_for(
    mail: Mail, rendered: RenderedMail, configuration_set: str, files: Sequence[mime.AttachedFile] = ()
) -> ComposedRequest:
    """Return the request for a mail that is rendered already."""
    raw = files or mail.extras.headers or mail.extras.shown_to or mail.extras.shown_cc
    request: SendEmailRequestTypeDef = {
        "FromEmailAddress": rendered.sender,
        "Destination": {"ToAddresses": [rendered.recipient]},
        "Content": {"Raw": {"Data": as_mime(rendered, files)}} if raw else _simple(rendered),
        "EmailTags": _tags(mail),
        "ConfigurationSetName": configuration_set,
    }
    if rendered.reply_to and not raw:
        request["ReplyToAddresses"] = [rendered.reply_to]
    return ComposedRequest(request, rendered.subject)


def probe(email_id: UUID, sender: str, configuration_set: str) -> "SendEmailRequestTypeDef":
    """Return the request for a mail that reaches nobody and belongs to no project. Raise Unrenderable."""
    ids = {"godwit_email": str(email_id), "godwit_project": NO_PROJECT, "godwit_contact": NO_PROJECT}
    return {
        "FromEmailAddress": ascii_address(sender),
        "Destination": {"ToAddresses": [SIMULATOR]},
        "Content": {
            "Simple": {
                "Subject": {"Data": "Do notifications arrive?", "Charset": "UTF-8"},
                "Body": {"Text": {"Data": "Sent by Godwit to check that notifications arrive.", "Charset": "UTF-8"}},
            }
        },
        "EmailTags": [{"Name": name, "Value": value} for name, value in ids.items()],
        "ConfigurationSetName": configuration_set,
    }


def render(mail: Mail, links: Links) -> RenderedMail:
    """Render what the mail says to its recipient. Raise Unrenderable."""
    urls = links.of(mail.project, mail.contact_id, mail.id)
    values = variables(mail, urls)
    content = mail.content
    subject = render_line(content.subject, values)[:MAX_SUBJECT]
    body = with_utm(content.body, content.utm)
    html = _html(body, values)
    text = _text(body, values, html)
    linked = urls.unsubscribe in html or urls.manage in html
    if content.kind == "MARKETING" and not linked:
        html = with_footer(html, urls.unsubscribe, values["locale"])
        text = with_text_footer(text, urls.unsubscribe, values["locale"])
    recipient = _mailbox(mail.recipient, mail.extras.name) if mail.extras.name else ascii_address(mail.recipient)
    return RenderedMail(
        sender=_mailbox(content.from_email, content.from_name),
        recipient=recipient,
        to=_named(mail.extras.shown_to) or ("" if mail.extras.shown_cc else recipient),
        cc=_named(mail.extras.shown_cc),
        reply_to=ascii_address(content.reply_to) if content.reply_to else None,
        subject=subject,
        html=html,
        text=text,
        headers=_headers(mail, urls, linked),
    )


def as_mime(rendered: RenderedMail, files: Sequence[mime.AttachedFile] = ()) -> bytes:
    """Return the mail as a MIME message. SES adds Date and Message-ID."""
    lines = [("From", rendered.sender), ("To", rendered.to), ("Cc", rendered.cc), ("Subject", rendered.subject)]
    head = [(name, value) for name, value in lines if value or name == "Subject"]
    if rendered.reply_to:
        head.append(("Reply-To", rendered.reply_to))
    return mime.message([*head, *rendered.headers.items()], rendered.text, rendered.html, files)


def subject_of(mail: Mail, links: Links) -> str:
    """Return the subject of a mail that was sent earlier; its template if that cannot be rendered here."""
    if not is_cheap(mail.content.subject):
        return mail.content.subject
    try:
        values = variables(mail, links.of(mail.project, mail.contact_id, mail.id))
        return render_line(mail.content.subject, values)[:MAX_SUBJECT]
    except Unrenderable:
        return mail.content.subject


def ascii_address(address: str) -> str:
    """Return the address with its domain in ASCII, as SES requires. Raise Unrenderable if it is not usable."""
    local, at, domain = address.strip().rpartition("@")
    try:
        plain = f"{local}{at}{domain if domain.isascii() else domain.encode('idna').decode()}"
    except UnicodeError as bad:
        raise Unrenderable("the domain of an email address is invalid") from bad
    if not (local and at and domain) or not plain.isascii() or any(c <= " " or c in '<>,;"\x7f' for c in plain):
        raise Unrenderable("an email address is invalid")
    return plain


def _html(body: str, values: dict[str, Any]) -> str:
    """Return the rendered HTML; plain text keeps its line breaks."""
    html = render_html(body, values)
    return html if is_markup(body) else html.replace("\n", "<br>\n")


def _text(body: str, values: dict[str, Any], html: str) -> str:
    try:
        return tidied(render_text(text_template(body), values))
    except Unrenderable:  # the text depends on markup that only the rendered HTML has
        return tidied(text_template(html))


@lru_cache(maxsize=256)  # all mails of a campaign have the same sender
def _mailbox(address: str, name: str | None) -> str:
    visible = " ".join("".join(c if c.isprintable() else " " for c in name or "").split())
    if visible.isascii():
        return formataddr((visible, ascii_address(address)))
    return f"{Header(visible, 'utf-8').encode(linesep='')} <{ascii_address(address)}>"


def _named(mailboxes: Sequence[Mailbox]) -> str:
    return ", ".join(_mailbox(each.address, each.name) for each in mailboxes)


def _simple(rendered: RenderedMail) -> "EmailContentTypeDef":
    body: BodyTypeDef = {"Html": {"Data": rendered.html, "Charset": "UTF-8"}}
    if rendered.text:
        body["Text"] = {"Data": rendered.text, "Charset": "UTF-8"}
    return {
        "Simple": {
            "Subject": {"Data": rendered.subject, "Charset": "UTF-8"},
            "Body": body,
            "Headers": [{"Name": name, "Value": value} for name, value in rendered.headers.items()],
        }
    }


def _headers(mail: Mail, urls: Urls, linked: bool) -> dict[str, str]:
    """Return one-click List-Unsubscribe (RFC 8058) for mails to unsubscribe from, and the headers of bulk mail."""
    headers = {"X-Godwit-Email": str(mail.id)}
    marketing = mail.content.kind == "MARKETING"
    if marketing or linked:
        headers["List-Unsubscribe"] = f"<{urls.unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if marketing:
        headers["List-Id"] = _list_id(mail.content.from_email, mail.project.hex)
    if marketing or mail.source == "CAMPAIGN":
        headers |= BULK_HEADERS
    return headers | mail.extras.headers if mail.extras.headers else headers


@lru_cache(maxsize=256)
def _list_id(sender: str, project: str) -> str:
    """Return a List-Id (RFC 2919) that is stable as long as the sender's domain is."""
    return f"<{project}.{ascii_address(sender).rpartition('@')[2].lower()}>"


def _tags(mail: Mail) -> "list[MessageTagTypeDef]":
    """Return the tags of the call. The first two go into the Feedback-ID header that complaint reports group by."""
    project = str(mail.project)
    tags = {
        "ses:feedback-id-a": str(mail.campaign_id or mail.workflow_id or mail.source.lower()),
        "ses:feedback-id-b": project,
        "godwit_email": str(mail.id),
        "godwit_project": project,
        "godwit_contact": str(mail.contact_id),
        "godwit_source": mail.source,
    }
    if mail.campaign_id:
        tags["godwit_campaign"] = str(mail.campaign_id)
    if mail.workflow_id:
        tags["godwit_workflow"] = str(mail.workflow_id)
    if mail.execution_id:
        tags["godwit_execution"] = str(mail.execution_id)
    return [{"Name": name, "Value": value} for name, value in tags.items()]
