"""Templates and their versions in the shapes of the API."""

from datetime import datetime
from functools import lru_cache

from libs.kernel.instants import iso
from libs.kernel.liquid import variables_in
from libs.kernel.structs import shared_fields
from libs.schemas.campaigns.templates import TemplateVersion, TemplateView
from services.campaigns.templates.template import Template
from services.campaigns.templates.versions import PastVersion


def template_view(template: Template, now: datetime) -> TemplateView:
    """Return the view of a template. `now` is the time of one that is just being stored."""
    current, content = template.current, template.current.content
    return TemplateView(
        **shared_fields(current, TemplateView),
        **shared_fields(content, TemplateView),
        id=current.template_id,
        variables=sorted({*_variables(content.subject), *_variables(content.body)}),
        version=template.version,
        created_at=iso(template.created_at or now),
        updated_at=iso(template.updated_at or now),
    )


def version_view(past: PastVersion) -> TemplateVersion:
    return TemplateVersion(
        **shared_fields(past.content, TemplateVersion),
        **shared_fields(past.content.content, TemplateVersion),
        version=past.version,
        restored=past.restored,
        created_at=iso(past.at),
    )


@lru_cache(maxsize=256)
def _variables(text: str) -> list[str]:
    return variables_in(text)
