"""Turn an API call into the message to send, with the checks SES makes before it accepts anything. Pure.

Rejections carry SES's own types and texts, so that a client's error handling is tested against the real thing.
"""

import re
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.message import Message as MimeMessage
from email.utils import getaddresses
from typing import Literal

import msgspec

from deploy.sandbox.http.asgi import ApiError
from deploy.sandbox.http.requests import SendEmail

EMAIL_ID_TAG = "godwit_email"
MAX_RECIPIENTS = 50
MAX_SIZE = 40 * 1024 * 1024
LOCAL_PART = re.compile(r"[!-~]+")
TAG_PART = re.compile(r"[A-Za-z0-9_-]{1,256}")
FEEDBACK_IDS = ("ses:feedback-id-a", "ses:feedback-id-b")
"""The tags that become parts of SES's Feedback-ID header, and the only names with a colon that SES accepts."""
END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


class Draft(msgspec.Struct, frozen=True):
    """A message that could be accepted. `content` is as in `ledger.Message`; recipients are bare addresses."""

    sender: str
    recipients: list[str]
    tags: dict[str, str]
    configuration_set: str
    kind: Literal["raw", "simple"]
    content: bytes

    @property
    def email_id(self) -> str:
        return self.tags.get(EMAIL_ID_TAG, "")


def draft_of(call: SendEmail, body: bytes) -> Draft:
    """Return the message that the call asks for. `body` is the JSON that `call` was read from."""
    given = [each for each in (call.content.simple, call.content.raw, call.content.template) if each is not None]
    if len(given) != 1:
        raise bad_request("Exactly one of Simple, Raw and Template content must be given.")
    if call.content.template is not None:
        raise bad_request(
            "The sandbox stores no templates: send Simple or Raw content, or SendBulkEmail with inline content."
        )
    if call.content.raw is not None:
        return _raw_draft(call, call.content.raw.data)
    return _simple_draft(call, body)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequestException", message)


def bare_address(address: str) -> str:
    """Return the address in `Name <address>`."""
    if address.endswith(">"):
        return address[address.rfind("<") + 1 : -1].strip()
    return address.strip()


def _simple_draft(call: SendEmail, body: bytes) -> Draft:
    simple = call.content.simple
    if simple is None or (simple.body.text is None and simple.body.html is None):
        raise bad_request("Missing required parameter: Body must have Text or Html.")
    return _draft(call, call.from_email_address, call.destination.addresses, {}, "simple", body)


def _raw_draft(call: SendEmail, content: bytes) -> Draft:
    """Return the draft of a Raw call. What the call omits comes from the message's own headers, as in SES."""
    recipients, sender = call.destination.addresses, call.from_email_address
    if recipients and sender and b"x-ses-" not in _head(content).lower():
        return _draft(call, sender, recipients, {}, "raw", content)
    headers = message_from_bytes(_head(content))
    tags = dict(_header_tags(str(headers.get("X-SES-MESSAGE-TAGS", ""))))
    configuration_set = call.configuration_set_name or str(headers.get("X-SES-CONFIGURATION-SET", "")).strip()
    draft = _draft(
        call,
        sender or str(headers.get("From", "")),
        recipients or _addresses_in(headers),
        tags,
        "raw",
        content,
    )
    return msgspec.structs.replace(draft, configuration_set=configuration_set)


def _draft(
    call: SendEmail,
    sender: str,
    addresses: Sequence[str],
    header_tags: Mapping[str, str],
    kind: Literal["raw", "simple"],
    content: bytes,
) -> Draft:
    if len(content) > MAX_SIZE:
        raise bad_request(f"Message length is more than {MAX_SIZE} bytes long: '{len(content)}'.")
    if not sender:
        raise bad_request("Missing required header 'From'.")
    _check_address(bare_address(sender))
    recipients = [bare_address(address) for address in addresses]
    _check_recipients(recipients)
    tags = {**header_tags, **{tag.name: tag.value for tag in call.email_tags}}
    _check_tags(tags)
    return Draft(sender, recipients, tags, call.configuration_set_name, kind, content)


def _check_recipients(recipients: Sequence[str]) -> None:
    if not recipients:
        raise bad_request("Must have at least one recipient.")
    if len(recipients) > MAX_RECIPIENTS:
        raise bad_request(f"Recipient count exceeds {MAX_RECIPIENTS}.")
    for recipient in recipients:
        _check_address(recipient)


def _check_address(address: str) -> None:
    local, _, domain = address.rpartition("@")
    if not local or not domain or "." not in domain:
        raise bad_request("Missing final '@domain'")
    if not LOCAL_PART.fullmatch(local):
        raise bad_request("Local address contains control or whitespace")
    if not LOCAL_PART.fullmatch(domain):
        raise bad_request("Domain contains control or whitespace")


def _check_tags(tags: Mapping[str, str]) -> None:
    for name, value in tags.items():
        if name not in FEEDBACK_IDS and not TAG_PART.fullmatch(name):
            raise bad_request(
                f"Invalid tag name <{name}>: only alphanumeric ASCII characters, '_', and '-' are allowed."
            )
        if not TAG_PART.fullmatch(value):
            raise bad_request(
                f"Invalid tag value <{value}>: only alphanumeric ASCII characters, '_', and '-' are allowed."
            )


def _head(content: bytes) -> bytes:
    end = END_OF_HEADERS.search(content)
    return content[: end.start()] if end else content


def _addresses_in(headers: MimeMessage) -> list[str]:
    fields = [str(value) for name in ("To", "Cc", "Bcc") for value in headers.get_all(name, [])]
    return [address for _, address in getaddresses(fields) if address]


def _header_tags(value: str) -> list[tuple[str, str]]:
    pairs = [pair.partition("=") for pair in value.replace("\r", "").replace("\n", "").split(",") if pair.strip()]
    return [(name.strip(), text.strip()) for name, _, text in pairs]
