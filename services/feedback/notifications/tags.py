"""The tags of a mail: they say which project, mail and contact a notification is about. Pure.

Every mail of ours is sent with them. In event publishing they are SES message tags. Feedback on an identity has no
tags, but may include the original headers, which contain the same names in `X-SES-MESSAGE-TAGS` or as
`X-Godwit-Email` and so on.
"""

from collections.abc import Mapping
from typing import TypedDict
from uuid import UUID

import msgspec

from services.feedback.notifications.ses import SesMail

PREFIX = "godwit_"
TAGS_HEADER = "x-ses-message-tags"


class MailIds(TypedDict):
    """The fields that every fact about a mail has."""

    email_id: UUID
    contact_id: UUID
    message_id: str
    campaign_id: UUID | None
    workflow_id: UUID | None
    execution_id: UUID | None


def identify(mail: SesMail) -> tuple[UUID, MailIds] | None:
    """Return the project and the ids of the mail, or None if the mail is not ours."""
    tags = _tags(mail)
    project, email, contact = (_id(tags, name) for name in ("project", "email", "contact"))
    if project is None or email is None or contact is None:
        return None
    return project, MailIds(
        email_id=email,
        contact_id=contact,
        message_id=mail.message_id,
        campaign_id=_id(tags, "campaign"),
        workflow_id=_id(tags, "workflow"),
        execution_id=_id(tags, "execution"),
    )


def _tags(mail: SesMail) -> Mapping[str, str]:
    tagged = {name: values[0] for name, values in mail.tags.items() if name.startswith(PREFIX) and values}
    return tagged or _tags_in_headers(mail)


def _tags_in_headers(mail: SesMail) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for header in mail.headers:
        name = header.name.lower()
        if name == TAGS_HEADER:
            pairs = (pair.partition("=") for pair in header.value.split(","))
            found |= {key.strip(): value.strip() for key, _, value in pairs}
        elif name.startswith("x-godwit-"):
            found.setdefault(PREFIX + name.removeprefix("x-godwit-"), header.value.strip())
    return found


def _id(tags: Mapping[str, str], name: str) -> UUID | None:
    text = tags.get(PREFIX + name)
    if text is None:
        return None
    try:
        return msgspec.convert(text, UUID)  # ten times as fast as UUID(text)
    except msgspec.ValidationError:
        return None
