"""Templates and their versions in the shapes of the API."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID

from libs.kernel.instants import iso
from libs.kernel.liquid import variables_in
from libs.schemas.campaigns.templates import TemplateVersion, TemplateView
from services.campaigns.templates.template import Template
from services.campaigns.templates.versions import Past


def template_view(template_id: UUID, template: Template, now: datetime) -> TemplateView:
    """`now` stands for the times of a template that is just being stored."""
    said, content = template.said, template.said.content
    return TemplateView(
        id=template_id,
        name=said.name,
        description=said.description,
        subject=content.subject,
        body=content.body,
        from_=content.from_email,
        from_name=content.from_name,
        reply_to=content.reply_to,
        type_=content.kind,
        variables=sorted({*_variables(content.subject), *_variables(content.body)}),
        version=template.version,
        created_at=iso(template.created_at or now),
        updated_at=iso(template.updated_at or now),
    )


@lru_cache(maxsize=256)
def _variables(text: str) -> list[str]:
    return variables_in(text)


def version_view(past: Past) -> TemplateVersion:
    said, content = past.said, past.said.content
    return TemplateVersion(
        version=past.version,
        name=said.name,
        description=said.description,
        subject=content.subject,
        body=content.body,
        from_=content.from_email,
        from_name=content.from_name,
        reply_to=content.reply_to,
        type_=content.kind,
        restored=past.restored,
        created_at=iso(past.at),
    )
