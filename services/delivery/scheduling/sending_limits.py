"""The decider of a project's own sending limits. Pure."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import invalid_fields
from libs.schemas.base import FieldError
from libs.schemas.delivery.sending_limits import SendingLimitsSet, SetSendingLimits
from services.delivery.domains.domain import NAME, normal

MAX_DOMAINS = 100


class ProjectLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Mails per second: of the whole project, unless that is unlimited, and to each limited recipient domain."""

    per_second: float | None = None
    domains: dict[str, float] = {}


INITIAL = ProjectLimits()


def decide(command: SetSendingLimits, limits: ProjectLimits, _: datetime) -> list[SendingLimitsSet]:
    """Return the new limits, or nothing if they are the same. Raise Rejected if they are invalid."""
    wanted = ProjectLimits(
        per_second=command.per_second,
        domains={normal(name): per_second for name, per_second in sorted(command.domains.items())},
    )
    _check(wanted)
    if wanted == limits:
        return []
    return [SendingLimitsSet(project_id=command.project_id, **msgspec.structs.asdict(wanted))]


def evolve(limits: ProjectLimits, event: SendingLimitsSet) -> ProjectLimits:
    return replace(limits, per_second=event.per_second, domains=event.domains)


def _check(wanted: ProjectLimits) -> None:
    wrong = [
        FieldError(field=f"domains.{name}", message="Must be a domain name", code="invalid_string")
        for name in wanted.domains
        if not NAME.fullmatch(name)
    ]
    if len(wanted.domains) > MAX_DOMAINS:
        wrong = [FieldError(field="domains", message=f"At most {MAX_DOMAINS} domains can be limited", code="too_big")]
    if wrong:
        raise invalid_fields(wrong)
