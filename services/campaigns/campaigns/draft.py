"""What a campaign says and to whom, and how a change of it is made. Pure."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import asdict, replace

from libs.kernel.rejection import Rejected, invalid
from libs.schemas.campaigns.ab_tests import AbTest
from libs.schemas.campaigns.audience import Audience, AudienceType
from libs.schemas.campaigns.campaigns import (
    CampaignDraft,
    CreateCampaign,
    SendWindow,
    UnknownPolicy,
    UpdateCampaign,
)
from libs.schemas.delivery.content import Content
from services.campaigns.ab_tests.variants import AbTestContent, with_compiled_markdown
from services.campaigns.content.markdown import MAX_MARKDOWN, html_of, is_plain
from services.campaigns.content.rules import with_preheader

CONTENT_FIELDS = ("subject", "body", "from_email", "from_name", "reply_to", "kind", "utm")
WRITTEN_EMPTY = ("subject", "body", "from_email")
"""Fields of the content that are empty until they are written, and not null."""
OWN_FIELDS = ("name", "description", "preheader", "language", "send_rate", "send_window", "unknown_policy")
AUDIENCE_FIELDS = ("audience_type", "segment_id", "list_id", "audience_condition")


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be edited. `content.body` is HTML, made of `markdown` if there is some."""

    name: str
    content: Content
    audience: Audience | None = None
    description: str | None = None
    preheader: str | None = None
    markdown: str | None = None
    language: str | None = None
    template_id: UUID | None = None
    send_rate: int | None = None
    send_window: SendWindow | None = None
    unknown_policy: UnknownPolicy = "RESEND"
    ab_test: AbTest | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """As an event has them."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    @property
    def mail(self) -> Content:
        """The mail as it is sent, without regard to an A/B test."""
        return with_preheader(self._localized, self.preheader)

    @property
    def tested(self) -> AbTestContent | None:
        """The A/B test with what its variants take from the campaign."""
        if self.ab_test is None:
            return None
        return AbTestContent(test=self.ab_test, content=self._localized, preheader=self.preheader)

    @property
    def contents(self) -> list[Content]:
        """The content, or that of each variant of the A/B test."""
        return self.tested.contents if self.tested else [self.content]

    def mail_of(self, variant: str | None) -> Content:
        """Return the mail of a variant; without a key that of the first one, or the only mail.

        Raise Rejected if there is no such variant.
        """
        if self.tested:
            return self.tested.mail_of(variant)
        if variant is not None:
            raise invalid("variant", "The campaign has no A/B test", "invalid_enum_value")
        return self.mail

    @property
    def _localized(self) -> Content:
        return replace(self.content, language=self.language)

    @property
    def is_plain(self) -> bool:
        """Whether the body was written in Markdown, or has nothing that Markdown cannot express."""
        return self.markdown is not None or is_plain(self.content.body)


def drafted(source: CreateCampaign | CampaignDraft) -> Draft:
    """The draft of an event, or of a command whose Markdown is not compiled yet."""
    draft = Draft(**{name: getattr(source, name) for name in Draft.__struct_fields__})
    if not isinstance(source, CreateCampaign):
        return draft
    if draft.ab_test:
        draft = replace(draft, ab_test=with_compiled_markdown(draft.ab_test))
    return draft if source.markdown is None else _with_markdown(draft, source.markdown)


def changed(draft: Draft, command: UpdateCampaign) -> Draft:
    """The draft with the fields of the command that are given.

    Raises Rejected if Markdown would replace a richer body and the command does not say that it may.
    """
    given = {name: value for name, value in asdict(command).items() if value is not msgspec.UNSET}
    content = {name: given[name] for name in CONTENT_FIELDS if name in given}
    content |= {name: content[name] or "" for name in WRITTEN_EMPTY if name in content}
    after = replace(
        draft,
        **{name: given[name] for name in OWN_FIELDS if name in given},
        content=replace(draft.content, **content),
        audience=_audience(draft.audience, {name: given[name] for name in AUDIENCE_FIELDS if name in given}),
        markdown=None if "body" in given else draft.markdown,
        ab_test=_test(draft.ab_test, command.ab_test),
    )
    if "markdown" not in given:
        return after
    if not (draft.is_plain or command.overwrite):
        raise Rejected(
            "CONTENT_OVERWRITE_REQUIRED",
            "The body has formatting that Markdown cannot preserve. Pass overwrite: true to replace it.",
        )
    return _with_markdown(after, given["markdown"])


def _test(before: AbTest | None, given: AbTest | msgspec.UnsetType | None) -> AbTest | None:
    if isinstance(given, AbTest):
        return with_compiled_markdown(given)
    return before if given is msgspec.UNSET else None


def _audience(before: Audience | None, given: dict[str, Any]) -> Audience | None:
    """The audience with those of its fields that are given. What belongs to another type of audience goes."""
    if not given:
        return before
    kept = asdict(before) if before else dict.fromkeys(AUDIENCE_FIELDS)
    after = kept | given
    kind = (
        given.get("audience_type") or _implied(given) or (None if "audience_type" in given else kept["audience_type"])
    )
    if kind == "SEGMENT":
        if not (given.get("audience_type") or after["segment_id"] or after["list_id"]):
            return None
        return Audience(audience_type=kind, segment_id=after["segment_id"], list_id=after["list_id"])
    if kind == "FILTERED":
        if not (given.get("audience_type") or after["audience_condition"]):
            return None
        return Audience(audience_type=kind, audience_condition=after["audience_condition"])
    return Audience(audience_type=kind) if kind else None


def _implied(given: dict[str, Any]) -> AudienceType | None:
    if given.get("segment_id") or given.get("list_id"):
        return "SEGMENT"
    return "FILTERED" if given.get("audience_condition") else None


def _with_markdown(draft: Draft, markdown: str | None) -> Draft:
    if markdown and len(markdown) > MAX_MARKDOWN:
        raise invalid("content", f"Markdown is limited to {MAX_MARKDOWN} characters", "too_big")
    html = html_of(markdown) if markdown else ""
    return replace(draft, markdown=markdown or None, content=replace(draft.content, body=html))
