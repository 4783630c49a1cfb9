"""Messages of the feedback service about the reputation of projects.

Mailbox providers and SES judge an account by the share of its mail that bounces or is complained about. One project
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
    """A limit that is exceeded.

    `value` and `limit` are percentages of `sent`. With `isCount` they are counts, which are limited for projects that
    have sent mail for less than 30 days.
    """

    metric: Metric
    level: Level
    value: float
    limit: float
    sent: int
    is_count: bool = False


class ReputationCounts(View, frozen=True, kw_only=True):
    """How many mails SES accepted, and how many of them bounced permanently or were complained about."""

    sent: int = 0
    bounced: int = 0
    complained: int = 0


class ReputationEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "feedback"
    stream: ClassVar[str] = "reputation-{project_id}"
    project_id: UUID


class ReputationWarned(ReputationEvent, tag="reputation.warned", frozen=True, kw_only=True):
    """The project exceeds limits. Recorded once a day as long as it does."""

    findings: list[Finding]


class SendingPaused(ReputationEvent, tag="sending.paused", frozen=True, kw_only=True):
    """The project's campaigns and workflows send nothing until sending is resumed. Transactional mail goes on."""

    reason: PauseReason
    findings: list[Finding] = []
    by: str = "system"
    note: str = ""


class SendingResumed(ReputationEvent, tag="sending.resumed", frozen=True, kw_only=True):
    """The project sends again, and is judged only by what happens from now on.

    `forgiven` are the counts of the current hour so far; together with all earlier hours they no longer count.
    """

    forgiven: ReputationCounts
    by: str = "system"
    note: str = ""


class ReputationCommand(Command, frozen=True, kw_only=True):
    """A command of an operator for the project that it is sent to. Replies with `ReputationView`."""

    service: ClassVar[str] = "feedback"
    by: str
    note: str = ""


class PauseSending(ReputationCommand, tag="pause-sending", frozen=True, kw_only=True):
    """Pause the project's campaigns and workflows."""


class ResumeSending(ReputationCommand, tag="resume-sending", frozen=True, kw_only=True):
    """Let the project's campaigns and workflows send again."""


class GetReputation(Query, tag="get-reputation", frozen=True, kw_only=True):
    """Replies with `ReputationView`."""

    service: ClassVar[str] = "feedback"


class WindowView(View, frozen=True, kw_only=True):
    """Rates are in percent."""

    total: int
    bounces: int
    complaints: int
    bounce_rate: float
    complaint_rate: float


class ReputationStatus(View, frozen=True, kw_only=True):
    """The figures that the project is judged by, counted since sending was last resumed."""

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
    """The reputation of a project. `is_disabled` says that its bulk mail is paused."""

    status: ReputationStatus
    levels: ReputationLevels
    is_disabled: bool
    standing: Standing
    reason: PauseReason | None
    warned_at: Instant | None
    paused_at: Instant | None
    resumed_at: Instant | None
