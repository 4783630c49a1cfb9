"""The draft of a campaign: its content, audience and settings, and how an update changes them. Pure."""

from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from libs.kernel.rejection import Rejected, invalid
from libs.kernel.structs import given_fields, shared_fields, with_fields
from libs.schemas.campaigns.ab_tests import AbTest
from libs.schemas.campaigns.audience import Audience, AudienceType
from libs.schemas.campaigns.campaigns import CampaignDraft, CampaignFields, CreateCampaign, UpdateCampaign
from libs.schemas.delivery.content import Content
from services.campaigns.ab_tests.variant_content import AbTestContent, with_compiled_markdown
from services.campaigns.content.markdown import MAX_MARKDOWN, html_of, is_plain
from services.campaigns.content.rules import with_preheader

AUDIENCE_FIELDS = Audience.__struct_fields__
EMPTY_WHEN_NULL = ("subject", "body", "from_email")
"""Fields of the content that are an empty string, not null, until they are written."""


class Draft(CampaignFields, frozen=True, kw_only=True):
    """Everything that can be edited in a campaign."""

    @property
    def mail(self) -> Content:
        """The mail that is sent without an A/B test."""
        return with_preheader(self._localized, self.preheader)

    @property
    def tested(self) -> AbTestContent | None:
        """The A/B test, with the content that its variants inherit."""
        if self.ab_test is None:
            return None
        return AbTestContent(test=self.ab_test, content=self._localized, preheader=self.preheader)

    @property
    def contents(self) -> list[Content]:
        """The content, or the content of each variant of the A/B test."""
        return self.tested.contents if self.tested else [self.content]

    @property
    def is_plain(self) -> bool:
        """Whether the body is written in Markdown, or could be: then Markdown may replace it without a loss."""
        return self.markdown is not None or is_plain(self.content.body)

    def mail_of(self, variant: str | None) -> Content:
        """Return the mail of a variant. None is the first variant, or the only mail of a campaign without a test.

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


def create_draft(command: CreateCampaign) -> Draft:
    """Return the draft that a command creates, with its Markdown compiled."""
    draft = Draft(**shared_fields(command, Draft))
    if draft.ab_test:
        draft = replace(draft, ab_test=with_compiled_markdown(draft.ab_test))
    return draft if command.markdown is None else _with_markdown(draft, command.markdown)


def recorded_draft(event: CampaignDraft) -> Draft:
    """Return the draft that an event recorded."""
    return Draft(**shared_fields(event, Draft))


def updated_draft(draft: Draft, command: UpdateCampaign) -> Draft:
    """Return the draft with the fields of the command that are given.

    Raise Rejected if Markdown would replace a richer body, and the command does not allow that.
    """
    given = given_fields(command)
    written = given | {name: given[name] or "" for name in EMPTY_WHEN_NULL if name in given}
    after = replace(
        with_fields(draft, given),
        content=replace(with_fields(draft.content, written), language=draft.content.language),
        audience=_audience(draft.audience, {name: given[name] for name in AUDIENCE_FIELDS if name in given}),
        markdown=None if "body" in given else draft.markdown,
        ab_test=_ab_test(draft.ab_test, command.ab_test),
    )
    if "markdown" not in given:
        return after
    if not (draft.is_plain or command.overwrite):
        raise Rejected(
            "CONTENT_OVERWRITE_REQUIRED",
            "The body has formatting that Markdown cannot preserve. Pass overwrite: true to replace it.",
        )
    return _with_markdown(after, given["markdown"])


def _ab_test(before: AbTest | None, given: AbTest | msgspec.UnsetType | None) -> AbTest | None:
    if isinstance(given, AbTest):
        return with_compiled_markdown(given)
    return before if given is msgspec.UNSET else None


def _audience(before: Audience | None, given: dict[str, Any]) -> Audience | None:
    """Return the audience with the given fields, without those that belong to another type of audience."""
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
    """Return the type of audience that the given fields belong to."""
    if given.get("segment_id") or given.get("list_id"):
        return "SEGMENT"
    return "FILTERED" if given.get("audience_condition") else None


def _with_markdown(draft: Draft, markdown: str | None) -> Draft:
    if markdown and len(markdown) > MAX_MARKDOWN:
        raise invalid("content", f"Markdown is limited to {MAX_MARKDOWN} characters", "too_big")
    html = html_of(markdown) if markdown else ""
    return replace(draft, markdown=markdown or None, content=replace(draft.content, body=html))
