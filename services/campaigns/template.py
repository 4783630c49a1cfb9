"""The template decider: content that is kept to be sent again and again."""

from datetime import datetime
from typing import TypeAlias

import msgspec

from libs.runtime.rejection import Rejected
from libs.schemas.campaigns import CreateTemplate, TemplateCreated
from libs.schemas.delivery import Content
from services.campaigns.content import require_sendable


class Absent(msgspec.Struct, frozen=True):
    """There is no such template yet. `verified_domains` holds the sender domains that the new one may use."""

    verified_domains: frozenset[str] = frozenset()


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template. The times are those of its row; a template that is not stored yet has none."""

    name: str
    description: str | None
    content: Content
    created_at: datetime | None = None
    updated_at: datetime | None = None


State: TypeAlias = Absent | Template

INITIAL: State = Absent()


def decide(command: CreateTemplate, state: State, now: datetime) -> list[TemplateCreated]:
    match state:
        case Absent(verified_domains=verified):
            require_sendable(command.content, verified)
            return [
                TemplateCreated(
                    template_id=command.template_id,
                    name=command.name,
                    content=command.content,
                    description=command.description,
                )
            ]
        case Template(name=command.name, description=command.description, content=command.content):
            return []
        case Template():
            raise Rejected("CONFLICT", "A different template with this id exists")


def evolve(state: State, event: TemplateCreated) -> State:
    return Template(name=event.name, description=event.description, content=event.content)
