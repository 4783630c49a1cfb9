"""How a project stands with the mailbox providers, and what follows from it: messages of the feedback service.

Providers, and SES itself, judge an account by the shares of its mail that bounce or are complained about. One project
must not use up the reputation of all, so its bulk mail is paused before that.
"""

from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Command, Event, Instant, Query, View

Standing = Literal["HEALTHY", "WARNED", "PAUSED"]
PauseReason = Literal["EMAIL_REPUTATION", "MANUAL"]
Level = Literal["warning", "critical"]
Health = Literal["healthy", "warning", "critical"]
Metric = Literal["bounce24Hour", "bounce7Day", "bounceAllTime", "complaint24Hour", "complaint7Day", "complaintAllTime"]


class Finding(View, frozen=True, kw_only=True):
    """A limit that is exceeded: `value` is over `limit`, both in percent of `sent`, or both counts if `isCount` (the
    limits of a project that has sent for less than 30 days)."""

    metric: Metric
    level: Level
    value: float
    limit: float
    sent: int
    is_count: bool = False


class ReputationCounts(View, frozen=True, kw_only=True):
    """Mails that SES took, and of those how many bounced for good or were complained about."""

    sent: int = 0
    bounced: int = 0
    complained: int = 0


class ReputationEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "feedback"
    stream: ClassVar[str] = "reputation-{project_id}"
    project_id: UUID


class ReputationWarned(ReputationEvent, tag="reputation.warned", frozen=True, kw_only=True):
    """Limits are exceeded. Said once a day as long as they are."""

    findings: list[Finding]


class SendingPaused(ReputationEvent, tag="sending.paused", frozen=True, kw_only=True):
    """The project's campaigns and workflows send no more until sending is resumed; transactional mail goes on."""

    reason: PauseReason
    findings: list[Finding] = []
    by: str = "system"
    note: str = ""


class SendingResumed(ReputationEvent, tag="sending.resumed", frozen=True, kw_only=True):
    """From here on the project is judged by what happens from now: `forgiven` counts what had happened in this hour,
    and what happened in earlier ones no longer counts."""

    forgiven: ReputationCounts
    by: str = "system"
    note: str = ""


class ReputationCommand(Command, frozen=True, kw_only=True):
    """Of an operator, about the project that it is sent for. Answers `ReputationView`."""

    service: ClassVar[str] = "feedback"
    by: str
    note: str = ""


class PauseSending(ReputationCommand, tag="pause-sending", frozen=True, kw_only=True):
    pass


class ResumeSending(ReputationCommand, tag="resume-sending", frozen=True, kw_only=True):
    pass


class GetReputation(Query, tag="get-reputation", frozen=True, kw_only=True):
    """Answers `ReputationView`."""

    service: ClassVar[str] = "feedback"


class WindowView(View, frozen=True, kw_only=True):
    """Rates are in percent."""

    total: int
    bounces: int
    complaints: int
    bounce_rate: float
    complaint_rate: float


class ReputationStatus(View, frozen=True, kw_only=True):
    """The figures that the project is judged by: since sending was last resumed."""

    project_id: UUID
    is_healthy: bool
    should_disable: bool
    twenty_four_hour: WindowView
    seven_day: WindowView
    all_time: WindowView
    is_new_project: bool
    violations: list[Finding]
    warnings: list[Finding]


class ReputationLevels(View, frozen=True, kw_only=True):
    bounce_7_day: Health
    bounce_all_time: Health
    complaint_7_day: Health
    complaint_all_time: Health


class ReputationView(View, frozen=True, kw_only=True):
    """`is_disabled` says that bulk mail is paused; `reason`, and the times, are null until there are any."""

    status: ReputationStatus
    levels: ReputationLevels
    is_disabled: bool
    standing: Standing
    reason: PauseReason | None
    warned_at: Instant | None
    paused_at: Instant | None
    resumed_at: Instant | None
