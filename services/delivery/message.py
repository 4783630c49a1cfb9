"""One mail as SES's SendEmail takes it. Pure.

One recipient to a call, because an unanswered call for fifty would make fifty unknowns; and Simple content, because
writing MIME costs more than signing the request. The tags are what every notification brings back.
"""

from email.utils import formataddr
from typing import TYPE_CHECKING

import msgspec

from services.delivery.footer import with_footer
from services.delivery.mail import Links, Mail, Urls, variables
from services.delivery.templates import Unrenderable, render_html, render_line

if TYPE_CHECKING:
    from types_boto3_sesv2.type_defs import MessageHeaderTypeDef, MessageTagTypeDef, SendEmailRequestTypeDef

LONGEST_SUBJECT = 998
BULK_HEADERS = {
    "Precedence": "bulk",
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "All",
}


class Composed(msgspec.Struct, frozen=True):
    """The arguments of the call, and the subject as the reader sees it."""

    request: "SendEmailRequestTypeDef"
    subject: str


def compose(mail: Mail, links: Links, configuration_set: str) -> Composed:
    """Write the mail. Raises Unrenderable, also for an address that no mail can carry."""
    urls = links.of(mail.project, mail.contact_id, mail.id)
    values = variables(mail, urls)
    content = mail.content
    subject = render_line(content.subject, values)[:LONGEST_SUBJECT]
    body = render_html(content.body, values)
    linked = urls.unsubscribe in body or urls.manage in body
    if content.kind == "MARKETING" and not linked:
        body = with_footer(body, urls.unsubscribe, values["locale"])
    request: SendEmailRequestTypeDef = {
        "FromEmailAddress": _sender(content.from_email, content.from_name),
        "Destination": {"ToAddresses": [ascii_address(mail.recipient)]},
        "Content": {
            "Simple": {
                "Subject": {"Data": subject, "Charset": "UTF-8"},
                "Body": {"Html": {"Data": body, "Charset": "UTF-8"}},
                "Headers": _headers(mail, urls, linked),
            }
        },
        "EmailTags": _tags(mail),
        "ConfigurationSetName": configuration_set,
    }
    if content.reply_to:
        request["ReplyToAddresses"] = [ascii_address(content.reply_to)]
    return Composed(request, subject)


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


def _sender(address: str, name: str | None) -> str:
    visible = " ".join("".join(c if c.isprintable() else " " for c in name or "").split())
    return formataddr((visible, ascii_address(address)))


def _headers(mail: Mail, urls: Urls, linked: bool) -> "list[MessageHeaderTypeDef]":
    """List-Unsubscribe by one click (RFC 8058) wherever the reader could unsubscribe, and the marks of bulk mail."""
    headers = {"X-Godwit-Email": str(mail.id)}
    marketing = mail.content.kind == "MARKETING"
    if marketing or linked:
        headers["List-Unsubscribe"] = f"<{urls.unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if marketing or mail.source == "CAMPAIGN":
        headers |= BULK_HEADERS
    return [{"Name": name, "Value": value} for name, value in headers.items()]


def _tags(mail: Mail) -> "list[MessageTagTypeDef]":
    tags = {
        "godwit_email": mail.id,
        "godwit_project": mail.project,
        "godwit_contact": mail.contact_id,
        "godwit_source": mail.source,
        "godwit_campaign": mail.campaign_id,
        "godwit_workflow": mail.workflow_id,
        "godwit_execution": mail.execution_id,
    }
    return [{"Name": name, "Value": str(value)} for name, value in tags.items() if value]
