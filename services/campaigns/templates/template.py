"""The template decider: content that is kept to be sent again and again, with all that it was."""

from datetime import datetime
from typing import TypeAlias

import msgspec
from msgspec.structs import asdict, replace

from libs.kernel.rejection import Rejected
from libs.schemas.campaigns.templates import (
    CreateTemplate,
    DeleteTemplate,
    DuplicateTemplate,
    RestoreTemplate,
    TemplateCommand,
    TemplateCreated,
    TemplateDeleted,
    TemplateUpdated,
    UpdateTemplate,
)
from libs.schemas.delivery.content import Content
from services.campaigns.content.rules import copied, require_sendable

CONTENT_FIELDS = ("subject", "body", "from_email", "from_name", "reply_to", "kind")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a template says, now or at one of its versions."""

    name: str
    description: str | None
    content: Content


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """There is no such template. `original` is what a copy would say."""

    original: Said | None = None
    verified_domains: frozenset[str] = frozenset()


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template. The times are those of its row; a template that is not stored yet has none.

    The last three are looked up for a command: the domains that it may use, the campaigns that are not over and were
    made of it, and what it said at the version that is to be restored.
    """

    said: Said
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None
    verified_domains: frozenset[str] = frozenset()
    campaigns: int = 0
    past: Said | None = None


State: TypeAlias = Absent | Template
Command: TypeAlias = CreateTemplate | UpdateTemplate | DuplicateTemplate | RestoreTemplate | DeleteTemplate
Event: TypeAlias = TemplateCreated | TemplateUpdated | TemplateDeleted

INITIAL: State = Absent()


def decide(command: Command, state: State, now: datetime) -> list[Event]:
    match command, state:
        case CreateTemplate(), Absent():
            require_sendable(command.content, state.verified_domains)
            return [_created(command, said_by(command))]
        case DuplicateTemplate(), Absent(original=Said() as original):
            return [_created(command, replace(original, name=copied(original.name)))]
        case CreateTemplate(), Template() if said_by(command) == state.said:
            return []
        case ((CreateTemplate() | DuplicateTemplate()), Template()):
            raise Rejected("CONFLICT", "A template with this id exists")
        case _, Absent():
            raise Rejected("TEMPLATE_NOT_FOUND", "Template not found")
        case UpdateTemplate(), Template():
            return _update(command, state)
        case RestoreTemplate(), Template():
            return _restore(command, state)
        case DeleteTemplate(), Template():
            return _delete(command, state)
    raise AssertionError(f"no case for {command!r}")


def evolve(state: State, event: Event) -> State:
    match event, state:
        case TemplateDeleted(), _:
            return Absent()
        case TemplateUpdated(), Template():
            return replace(state, said=said_by(event), version=state.version + 1)
        case TemplateCreated() | TemplateUpdated(), _:
            return Template(said=said_by(event))
    return state


def said_by(source: CreateTemplate | TemplateCreated | TemplateUpdated) -> Said:
    return Said(name=source.name, description=source.description, content=source.content)


def _created(command: TemplateCommand, said: Said) -> TemplateCreated:
    return TemplateCreated(
        template_id=command.template_id, name=said.name, content=said.content, description=said.description
    )


def _update(command: UpdateTemplate, template: Template) -> list[Event]:
    given = {name: value for name, value in asdict(command).items() if value is not msgspec.UNSET}
    content = {name: given[name] for name in CONTENT_FIELDS if name in given}
    own = {name: given[name] for name in ("name", "description") if name in given}
    after = replace(template.said, **own, content=replace(template.said.content, **content))
    return _changed(command, template, after)


def _restore(command: RestoreTemplate, template: Template) -> list[Event]:
    if template.past is None:
        raise Rejected("TEMPLATE_VERSION_NOT_FOUND", "The template has no such version")
    return _changed(command, template, template.past, restored=command.version)


def _changed(command: TemplateCommand, template: Template, after: Said, restored: int | None = None) -> list[Event]:
    if after == template.said:
        return []
    require_sendable(after.content, template.verified_domains)
    return [
        TemplateUpdated(
            template_id=command.template_id,
            name=after.name,
            content=after.content,
            description=after.description,
            restored=restored,
        )
    ]


def _delete(command: DeleteTemplate, template: Template) -> list[Event]:
    if template.campaigns:
        raise Rejected(
            "TEMPLATE_IN_USE",
            f"Cannot delete the template: it is used in {template.campaigns} campaign(s)",
            details={"campaigns": template.campaigns},
        )
    return [TemplateDeleted(template_id=command.template_id)]
