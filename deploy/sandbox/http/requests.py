"""The request bodies of the SES v2 calls that the sandbox understands. Fields it does not use are ignored."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec

from deploy.sandbox.http.asgi import ApiError


class Shape(msgspec.Struct, rename="pascal", omit_defaults=True):
    """A request body of AWS, whose members are in PascalCase."""


class Text(Shape):
    data: str
    charset: str = "UTF-8"


class Body(Shape):
    text: Text | None = None
    html: Text | None = None


class Header(Shape):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=126, pattern=r"^[!-9;-@A-~]+$")]
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=870, pattern=r"^[ -~]*$")]


class Attachment(Shape):
    raw_content: bytes
    file_name: str
    content_type: str = "application/octet-stream"
    content_disposition: str = "ATTACHMENT"
    content_id: str = ""


class SimpleContent(Shape):
    subject: Text
    body: Body
    headers: Annotated[list[Header], msgspec.Meta(max_length=15)] = []
    attachments: list[Attachment] = []


class RawContent(Shape):
    data: bytes


class TemplateContent(Shape):
    subject: str = ""
    text: str = ""
    html: str = ""


class Template(Shape):
    template_name: str = ""
    template_arn: str = ""
    template_content: TemplateContent | None = None
    template_data: str = "{}"
    headers: list[Header] = []


class Content(Shape):
    simple: SimpleContent | None = None
    raw: RawContent | None = None
    template: Template | None = None


class Destination(Shape):
    to_addresses: list[str] = []
    cc_addresses: list[str] = []
    bcc_addresses: list[str] = []

    @property
    def addresses(self) -> list[str]:
        return self.to_addresses + self.cc_addresses + self.bcc_addresses


class Tag(Shape):
    name: str
    value: str


class SendEmail(Shape):
    content: Content
    from_email_address: str = ""
    destination: Destination = msgspec.field(default_factory=Destination)
    reply_to_addresses: list[str] = []
    email_tags: list[Tag] = []
    configuration_set_name: str = ""


class ReplacementTemplate(Shape):
    replacement_template_data: str = "{}"


class ReplacementEmailContent(Shape):
    replacement_template: ReplacementTemplate = msgspec.field(default_factory=ReplacementTemplate)


class BulkEntry(Shape):
    destination: Destination
    replacement_tags: list[Tag] = []
    replacement_email_content: ReplacementEmailContent = msgspec.field(default_factory=ReplacementEmailContent)
    replacement_headers: list[Header] = []


class BulkContent(Shape):
    template: Template


class SendBulkEmail(Shape):
    default_content: BulkContent
    bulk_email_entries: Annotated[list[BulkEntry], msgspec.Meta(min_length=1, max_length=50)]
    from_email_address: str = ""
    reply_to_addresses: list[str] = []
    default_email_tags: list[Tag] = []
    configuration_set_name: str = ""


class CreateEmailIdentity(Shape):
    email_identity: Annotated[str, msgspec.Meta(min_length=1)]


class PutMailFrom(Shape):
    mail_from_domain: str = ""
    behavior_on_mx_failure: Literal["USE_DEFAULT_VALUE", "REJECT_MESSAGE"] = "USE_DEFAULT_VALUE"


class PutSuppressedDestination(Shape):
    email_address: Annotated[str, msgspec.Meta(min_length=3)]
    reason: Literal["BOUNCE", "COMPLAINT"]


class CreateConfigurationSet(Shape):
    configuration_set_name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class CreateEventDestination(Shape):
    event_destination_name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    event_destination: msgspec.Raw


class ListRequest(Shape):
    page_size: int | None = None
    next_token: str | None = None


Call = TypeVar("Call")


def decoder(shape: type[Call]) -> Callable[[bytes], Call]:
    """Return a function that reads a request body of this shape, or raises SES's BadRequestException."""
    decode = msgspec.json.Decoder(shape).decode

    def read(body: bytes) -> Call:
        try:
            return decode(body or b"{}")
        except msgspec.MsgspecError as error:
            raise ApiError(400, "BadRequestException", str(error)) from None

    return read
