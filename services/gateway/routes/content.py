"""What a mail says and who it is from, as templates and campaigns are given it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.kernel.field_errors import ONE_LINE
from libs.kernel.structs import shared_fields
from libs.schemas.delivery.content import Content, Kind
from services.gateway.http.fields import (
    Email,
    Line,
    Name,
    Text,
)
from services.gateway.http.json_body import Body

MAX_BYTES = 900 * 1024
"""Of a request that carries a mail: what is made of it must fit into one message on the bus (1 MiB)."""

SenderName = Annotated[str, Meta(max_length=100, pattern=ONE_LINE)]
Description = Annotated[str, Meta(max_length=500)]


class ContentBody(Body, frozen=True, kw_only=True):
    """`subject` and `body` are Liquid templates; `from` must be on a verified domain."""

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
