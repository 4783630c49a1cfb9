"""The template decider."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

import msgspec
from msgspec.structs import asdict, replace

from libs.kernel.rejection import Rejected
from libs.kernel.structs import given_fields, shared_fields, with_fields
from libs.schemas.campaigns.templates import (
    CreateTemplate,
    DeleteTemplate,
    DuplicateTemplate,
    RestoreTemplate,
    TemplateContent,
    TemplateCreated,
    TemplateDeleted,
    TemplateUpdated,
    UpdateTemplate,
)
from services.campaigns.content.rules import copied_name, require_sendable


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """There is no such template. `original` is the content that a duplicate copies."""

    original: TemplateContent | None = None
    verified_domains: frozenset[str] = frozenset()


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template. The times are those of its row, and None until it is stored.

    The last three fields are loaded for a command: the domains that the project may send from, the number of unfinished
    campaigns that use the template, and its content at the versions that commands restore.
    """

    current: TemplateContent
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None
    verified_domains: frozenset[str] = frozenset()
    campaigns: int = 0
    past: Mapping[int, TemplateContent] = {}


State: TypeAlias = Absent | Template
Command: TypeAlias = CreateTemplate | UpdateTemplate | DuplicateTemplate | RestoreTemplate | DeleteTemplate
Event: TypeAlias = TemplateCreated | TemplateUpdated | TemplateDeleted

INITIAL: State = Absent()


def decide(command: Command, state: State, now: datetime) -> list[Event]:
    match command, state:
        case CreateTemplate(), Absent():
            require_sendable(command.content, state.verified_domains)
            return [TemplateCreated(**asdict(content_of(command)))]
        case DuplicateTemplate(), Absent(original=TemplateContent() as original):
            copy = replace(original, template_id=command.template_id, name=copied_name(original.name))
            return [TemplateCreated(**asdict(copy))]
        case CreateTemplate(), Template() if content_of(command) == state.current:
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
            return replace(state, current=content_of(event), version=state.version + 1)
        case TemplateCreated() | TemplateUpdated(), _:
            return Template(current=content_of(event))
    return state


def content_of(source: TemplateContent) -> TemplateContent:
    """Return the content that a command or an event carries."""
    return TemplateContent(**shared_fields(source, TemplateContent))


def _update(command: UpdateTemplate, template: Template) -> list[Event]:
    given = given_fields(command)
    after = replace(
        with_fields(template.current, given),
        content=with_fields(template.current.content, given),
    )
    return _updated(template, after)


def _restore(command: RestoreTemplate, template: Template) -> list[Event]:
    past = template.past.get(command.version)
    if past is None:
        raise Rejected("TEMPLATE_VERSION_NOT_FOUND", "The template has no such version")
    return _updated(template, past, restored=command.version)


def _updated(template: Template, after: TemplateContent, restored: int | None = None) -> list[Event]:
    if after == template.current:
        return []
    require_sendable(after.content, template.verified_domains)
    return [TemplateUpdated(**asdict(after), restored=restored)]


def _delete(command: DeleteTemplate, template: Template) -> list[Event]:
    if template.campaigns:
        raise Rejected(
            "TEMPLATE_IN_USE",
            f"Cannot delete the template: it is used in {template.campaigns} campaign(s)",
            details={"campaigns": template.campaigns},
        )
    return [TemplateDeleted(template_id=command.template_id)]
