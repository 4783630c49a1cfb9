"""A project: whose mails they are, and which language its contacts are spoken to in. Pure."""

from datetime import datetime
from uuid import UUID

import msgspec

from libs.runtime.locales import LOCALES, chosen
from libs.runtime.rejection import Rejected
from libs.schemas.base import FieldError
from libs.schemas.gateway import ProjectCreated, ProjectUpdated, UpdateProject


class Project(msgspec.Struct, frozen=True):
    """`id` is None for a project that does not exist."""

    id: UUID | None = None
    name: str = ""
    language: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


INITIAL = Project()


def decide(command: UpdateProject, project: Project, _: datetime) -> list[ProjectUpdated]:
    """What follows from the command; nothing if it is already so. Raises Rejected for no."""
    if project.id is None:
        raise Rejected("PROJECT_NOT_FOUND", "Project not found")
    name = project.name if command.name is None else command.name
    language = project.language if command.language is msgspec.UNSET else command.language
    _check(language)
    if (name, language) == (project.name, project.language):
        return []
    return [ProjectUpdated(project_id=project.id, name=name, language=language)]


def evolve(project: Project, event: ProjectCreated | ProjectUpdated) -> Project:
    return msgspec.structs.replace(project, id=event.project_id, name=event.name, language=event.language)


def _check(language: str | None) -> None:
    """A language that nobody speaks here would be English without saying so."""
    if language is None or chosen([language]) != "en" or language.lower().startswith("en"):
        return
    message = f"Language must be one of {', '.join(LOCALES)}"
    raise Rejected(
        "VALIDATION_ERROR",
        "Request validation failed",
        errors=[FieldError(field="language", message=message, code="invalid_enum_value")],
    )
