"""The audit itself: in one snapshot of the database, every figure counted twice, and the lag."""

from uuid import UUID

import msgspec

from deploy.audit import campaigns, contacts, delivery, feedback, versions, workflows
from deploy.audit.figure import Figure, compare
from deploy.audit.lag import Lag, lags
from deploy.commands import Failed
from deploy.connections import database
from deploy.services import declared_services
from libs.runtime.operations.rebuild import PREVENT_REBUILD

CHECKS = (
    *contacts.CHECKS,
    *campaigns.CHECKS,
    *workflows.CHECKS,
    *delivery.CHECKS,
    *feedback.CHECKS,
    *versions.CHECKS,
)


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an audit. Lag is reported but is no difference."""

    figures: list[Figure]
    lag: list[Lag]

    @property
    def differences(self) -> list[Figure]:
        return [figure for figure in self.figures if figure.wrong]

    @property
    def holds(self) -> bool:
        return not self.differences


async def audit(project: UUID | None = None) -> Audit:
    """Audit every project, or one. Raise Failed during a rebuild, which would swap tables during the count."""
    async with database() as conn:
        if not await conn.fetchval(PREVENT_REBUILD):
            raise Failed("read models are being rebuilt: run the audit after `godwit rebuild`")
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            figures = [figure async for figure in compare(conn, CHECKS, project)]
            lag = [each async for each in lags(conn, declared_services(), project)]
    return Audit(figures=figures, lag=lag)
