"""One mail as SES's SendEmail takes it. Pure.

One recipient to a call, because an unanswered call for fifty would make fifty unknowns. What a campaign, a workflow and
most other mail need goes as Simple content, from which SES writes the MIME message; what has headers of its own or
attachments goes as a message that we have written ourselves. The tags are what every notification brings back.
"""

from collections.abc import Sequence
from email.header import Header
from email.utils import formataddr
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from libs.schemas.delivery.content import Mailbox
from services.delivery.ledger.mail import (
    Links,
    Mail,
    Urls,
    variables,
)
from services.delivery.rendering import mime
from services.delivery.rendering.footer import with_footer, with_text_footer
from services.delivery.rendering.plain_text import is_markup, text_template, tidied
from services.delivery.rendering.templates import (
    Unrenderable,
    render_html,
    render_line,
    render_text,
)
from services.delivery.rendering.utm import with_utm

if TYPE_CHECKING:
    from types_boto3_sesv2.type_defs import BodyTypeDef, EmailContentTypeDef, MessageTagTypeDef, SendEmailRequestTypeDef

LONGEST_SUBJECT = 998
SIMULATOR = "success@simulator.amazonses.com"
NOBODYS = str(UUID(int=0))
BULK_HEADERS = {
    "Precedence": "bulk",
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "All",
}


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader gets: addresses as they go into headers, and the texts filled in."""

    sender: str
    recipient: str
    to: str
    cc: str
    reply_to: str | None
    subject: str
    html: str
    text: str
    headers: dict[str, str]


class Composed(msgspec.Struct, frozen=True):
    """The arguments of the call, and the subject as the reader sees it."""

    request: "SendEmailRequestTypeDef"
    subject: str


def compose(mail: Mail, links: Links, configuration_set: str, files: Sequence[mime.File] = ()) -> Composed:
    """Write the mail; `files` are its attachments. Raises Unrenderable, also for an address that no mail can carry."""
    letter = write(mail, links)
    raw = files or mail.extras.headers or mail.extras.shown_to or mail.extras.shown_cc
    request: SendEmailRequestTypeDef = {
        "FromEmailAddress": letter.sender,
        "Destination": {"ToAddresses": [letter.recipient]},
        "Content": {"Raw": {"Data": as_mime(letter, files)}} if raw else _simple(letter),
        "EmailTags": _tags(mail),
        "ConfigurationSetName": configuration_set,
    }
    if letter.reply_to and not raw:
        request["ReplyToAddresses"] = [letter.reply_to]
    return Composed(request, letter.subject)


def probe(email_id: UUID, sender: str, configuration_set: str) -> "SendEmailRequestTypeDef":
    """A mail that SES delivers to nobody. Its notifications belong to no project. Raises Unrenderable."""
    ids = {"godwit_email": str(email_id), "godwit_project": NOBODYS, "godwit_contact": NOBODYS}
    return {
        "FromEmailAddress": ascii_address(sender),
        "Destination": {"ToAddresses": [SIMULATOR]},
        "Content": {
            "Simple": {
                "Subject": {"Data": "Do notifications flow?", "Charset": "UTF-8"},
                "Body": {"Text": {"Data": "Sent because nothing else told.", "Charset": "UTF-8"}},
            }
        },
        "EmailTags": [{"Name": name, "Value": value} for name, value in ids.items()],
        "ConfigurationSetName": configuration_set,
    }


def write(mail: Mail, links: Links) -> Letter:
    """Fill in what the mail says to its reader. Raises Unrenderable."""
    urls = links.of(mail.project, mail.contact_id, mail.id)
    values = variables(mail, urls)
    content = mail.content
    subject = render_line(content.subject, values)[:LONGEST_SUBJECT]
    body = with_utm(content.body, content.utm)
    html = _html(body, values)
    text = _text(body, values, html)
    linked = urls.unsubscribe in html or urls.manage in html
    if content.kind == "MARKETING" and not linked:
        html = with_footer(html, urls.unsubscribe, values["locale"])
        text = with_text_footer(text, urls.unsubscribe, values["locale"])
    recipient = _mailbox(mail.recipient, mail.extras.name) if mail.extras.name else ascii_address(mail.recipient)
    return Letter(
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


def as_mime(letter: Letter, files: Sequence[mime.File] = ()) -> bytes:
    """The letter as a MIME message. Date and Message-ID are for SES to write."""
    lines = [("From", letter.sender), ("To", letter.to), ("Cc", letter.cc), ("Subject", letter.subject)]
    head = [(name, value) for name, value in lines if value or name == "Subject"]
    if letter.reply_to:
        head.append(("Reply-To", letter.reply_to))
    return mime.message([*head, *letter.headers.items()], letter.text, letter.html, files)


def subject_of(mail: Mail, links: Links) -> str:
    """The subject of a mail that went out without our learning of it; as it was written if it cannot be rendered."""
    try:
        values = variables(mail, links.of(mail.project, mail.contact_id, mail.id))
        return render_line(mail.content.subject, values)[:LONGEST_SUBJECT]
    except Unrenderable:
        return mail.content.subject


def ascii_address(address: str) -> str:
    """The address as SES takes it: an international domain in its ASCII form. Raises Unrenderable."""
    local, at, domain = address.strip().rpartition("@")
    try:
        plain = f"{local}{at}{domain if domain.isascii() else domain.encode('idna').decode()}"
    except UnicodeError as bad:
        raise Unrenderable("the domain of an address is not valid") from bad
    if not (local and at and domain) or not plain.isascii() or any(c <= " " or c in '<>,;"\x7f' for c in plain):
        raise Unrenderable("an address is not one that mail can be sent to or from")
    return plain


def _html(body: str, values: dict[str, Any]) -> str:
    """Plain text keeps its lines."""
    html = render_html(body, values)
    return html if is_markup(body) else html.replace("\n", "<br>\n")


def _text(body: str, values: dict[str, Any], html: str) -> str:
    try:
        return tidied(render_text(text_template(body), values))
    except Unrenderable:  # what the HTML says depends on its markup
        return tidied(text_template(html))


@lru_cache(maxsize=256)  # all mails of a campaign come from the same sender
def _mailbox(address: str, name: str | None) -> str:
    visible = " ".join("".join(c if c.isprintable() else " " for c in name or "").split())
    if visible.isascii():
        return formataddr((visible, ascii_address(address)))
    return f"{Header(visible, 'utf-8').encode(linesep='')} <{ascii_address(address)}>"


def _named(mailboxes: Sequence[Mailbox]) -> str:
    return ", ".join(_mailbox(each.address, each.name) for each in mailboxes)


def _simple(letter: Letter) -> "EmailContentTypeDef":
    body: BodyTypeDef = {"Html": {"Data": letter.html, "Charset": "UTF-8"}}
    if letter.text:
        body["Text"] = {"Data": letter.text, "Charset": "UTF-8"}
    return {
        "Simple": {
            "Subject": {"Data": letter.subject, "Charset": "UTF-8"},
            "Body": body,
            "Headers": [{"Name": name, "Value": value} for name, value in letter.headers.items()],
        }
    }


def _headers(mail: Mail, urls: Urls, linked: bool) -> dict[str, str]:
    """List-Unsubscribe by one click (RFC 8058) wherever the reader could unsubscribe, and the marks of bulk mail."""
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
    """RFC 2919: a name that is ours to give, and stays the same as long as the sender does."""
    return f"<{project}.{ascii_address(sender).rpartition('@')[2].lower()}>"


def _tags(mail: Mail) -> "list[MessageTagTypeDef]":
    """The first two become part of the Feedback-ID header, by which mailbox providers report complaints in sum."""
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
