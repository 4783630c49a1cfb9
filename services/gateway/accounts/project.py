"""A project and its settings. Pure."""

from datetime import datetime
from uuid import UUID

import msgspec

from libs.kernel.locales import LOCALES, negotiate_locale
from libs.kernel.rejection import Rejected, invalid
from libs.kernel.time_zones import zone_of
from libs.schemas.gateway import ProjectCreated, ProjectUpdated, UpdateProject


class Project(msgspec.Struct, frozen=True):
    """`id` is None for a project that does not exist. `untracked`: this installation can send without tracking."""

    id: UUID | None = None
    name: str = ""
    language: str | None = None
    timezone: str | None = None
    tracking: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None
    untracked: bool = False


INITIAL = Project()


def decide(command: UpdateProject, project: Project, _: datetime) -> list[ProjectUpdated]:
    """Return the events of the command, none if it changes nothing. Raises Rejected."""
    if project.id is None:
        raise Rejected("PROJECT_NOT_FOUND", "Project not found")
    after = _changed(project, command)
    _check_language(after.language)
    _check_timezone(after.timezone)
    if not (after.tracking or project.untracked):
        raise invalid(
            "tracking",
            "Tracking cannot be turned off: GODWIT_CONFIGURATION_SET_UNTRACKED is not set on this installation",
            "invalid_enum_value",
        )
    if after == project:
        return []
    return [
        ProjectUpdated(
            project_id=project.id,
            name=after.name,
            language=after.language,
            timezone=after.timezone,
            tracking=after.tracking,
        )
    ]


def evolve(project: Project, event: ProjectCreated | ProjectUpdated) -> Project:
    return msgspec.structs.replace(
        project,
        id=event.project_id,
        name=event.name,
        language=event.language,
        timezone=event.timezone,
        tracking=event.tracking,
    )


def _changed(project: Project, command: UpdateProject) -> Project:
    return msgspec.structs.replace(
        project,
        name=project.name if command.name is None else command.name,
        language=project.language if command.language is msgspec.UNSET else command.language,
        timezone=project.timezone if command.timezone is msgspec.UNSET else command.timezone,
        tracking=project.tracking if command.tracking is None else command.tracking,
    )


def _check_language(language: str | None) -> None:
    """Raise Rejected for an unsupported language: the pages would silently be in English."""
    if language is None or negotiate_locale([language]) != "en" or language.lower().startswith("en"):
        return
    raise invalid("language", f"Language must be one of {', '.join(LOCALES)}", "invalid_enum_value")


def _check_timezone(timezone: str | None) -> None:
    if timezone is not None and zone_of(timezone) is None:
        raise invalid(
            "timezone", "Time zone must be a name from the IANA database, such as Europe/Berlin", "invalid_enum_value"
        )
