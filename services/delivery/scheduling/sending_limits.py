"""A project's own sending limits: a decider. Pure."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import invalid_fields
from libs.schemas.base import FieldError
from libs.schemas.delivery.sending_limits import SendingLimitsSet, SetSendingLimits
from services.delivery.domains.domain import NAME, normal

MAX_DOMAINS = 100


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Mails per second: of the whole project, if that is limited, and to each recipient domain that is."""

    per_second: float | None = None
    domains: dict[str, float] = {}


INITIAL = Limits()


def decide(command: SetSendingLimits, limits: Limits, _: datetime) -> list[SendingLimitsSet]:
    """What follows from the command; nothing if it is already so. Raises Rejected for no."""
    wanted = Limits(
        per_second=command.per_second,
        domains={normal(name): per_second for name, per_second in sorted(command.domains.items())},
    )
    _check(wanted)
    if wanted == limits:
        return []
    return [SendingLimitsSet(project_id=command.project_id, **msgspec.structs.asdict(wanted))]


def evolve(limits: Limits, event: SendingLimitsSet) -> Limits:
    return replace(limits, per_second=event.per_second, domains=event.domains)


def _check(wanted: Limits) -> None:
    wrong = [
        FieldError(field=f"domains.{name}", message="This is not a domain name", code="invalid_string")
        for name in wanted.domains
        if not NAME.fullmatch(name)
    ]
    if len(wanted.domains) > MAX_DOMAINS:
        wrong = [FieldError(field="domains", message=f"At most {MAX_DOMAINS} domains can be limited", code="too_big")]
    if wrong:
        raise invalid_fields(wrong)
