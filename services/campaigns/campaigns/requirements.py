"""What a draft needs before it is stored, and before it is sent. Pure."""

from libs.kernel.rejection import invalid
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import Requirement
from services.campaigns.ab_tests import variant_content
from services.campaigns.campaigns.draft import Draft
from services.campaigns.content.rules import domain_of, require_sendable


def missing_for_sending(draft: Draft, verified_domains: frozenset[str]) -> list[Requirement]:
    """Return what a draft still lacks before it can be sent."""
    contents = draft.contents
    missing: list[Requirement] = []
    if domain_of(draft.content.from_email) not in verified_domains:
        missing.append("senderEmail")
    if not all(content.subject.strip() for content in contents):
        missing.append("subject")
    if not all(content.body.strip() for content in contents):
        missing.append("content")
    if draft.audience is None:
        missing.append("audience")
    return missing


def require_valid(draft: Draft, verified_domains: frozenset[str]) -> None:
    """Raise Rejected if the draft is wrong. It may be incomplete."""
    if draft.audience:
        _require_complete(draft.audience)
    if draft.send_window and draft.send_window.start == draft.send_window.end:
        raise invalid("sendWindow.end", "The send window must not start and end at the same time", "invalid")
    require_sendable(draft.content, verified_domains, draft.preheader)
    if draft.tested:
        variant_content.require_valid(draft.tested)


def _require_complete(audience: Audience) -> None:
    if audience.audience_type == "SEGMENT" and audience.segment_id is None and audience.list_id is None:
        raise invalid("segmentId", "Segment ID is required for SEGMENT audience type", "required")
    if audience.audience_type == "FILTERED" and audience.audience_condition is None:
        raise invalid("audienceCondition", "Audience condition is required for FILTERED audience type", "required")
