"""The body of a template: the content of a mail and its sender."""

import msgspec

from libs.kernel.structs import shared_fields
from libs.schemas.delivery.content import Content, Kind
from services.gateway.http.fields import Description, Email, Line, Name, SenderName, Text
from services.gateway.http.json_body import Body


class ContentBody(Body, frozen=True, kw_only=True):
    """`subject` and `body` are Liquid templates. `from` must be on a verified domain."""

    name: Name
    subject: Line
    body: Text
    from_email: Email = msgspec.field(name="from")
    from_name: SenderName | None = None
    reply_to: Email | None = None
    kind: Kind = msgspec.field(default="MARKETING", name="type")
    description: Description | None = None

    def content(self) -> Content:
        return Content(**shared_fields(self, Content))
