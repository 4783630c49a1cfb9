"""Time limits: the lease of a claim, the timeouts of a call, the grace period of unknown outcomes. Pure.

The lease outlasts anything that a live sender does with a claim: a sender gives the claim back if a third of the lease
has passed before the call, and the call has timeouts of its own. So if a lease has ended, its sender is dead.
"""

from typing import Literal, TypeAlias

import msgspec

LEASE = 60.0
MIN_LEASE = 10.0
CONNECT, READ = 3.0, 15.0

GraceClass: TypeAlias = Literal["ONE_TIME_CODE", "TRANSACTIONAL", "WORKFLOW", "CAMPAIGN"]
"""What the grace period of a mail depends on: its source, or that it carries a one-time code."""

GRACES: dict[GraceClass, float] = {
    "ONE_TIME_CODE": 30.0,
    "TRANSACTIONAL": 600.0,
    "WORKFLOW": 3600.0,
    "CAMPAIGN": 3600.0,
}
RECHECK_AFTER = 30.0
MAX_EVIDENCE = 120.0
PROBE_EVERY = 60.0
LATE_AFTER = 15.0
ON_TIME_FOR = 30.0
"""SNS retries 20 seconds after a failed delivery: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""
GIVE_UP_AFTER = 24 * 3600.0


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """All values are in seconds.

    - `lease` bounds a claim; `give_back_after` is the maximum age of a claim when the call begins;
    - `graces` are how long to wait for a notification before a mail is resent;
    - `recheck_after` is the pause before a held resend is looked at again; holding ends after `give_up_after`;
    - `probe_every` is the pause between probes while something is held;
    - `late_after` is the age from which a notification counts as late, meaning that SNS could not deliver it at once;
      `on_time_for` is how long none may have been late before a missing notification counts as evidence.
    """

    lease: float
    give_back_after: float
    connect: float
    read: float
    graces: dict[GraceClass, float]
    recheck_after: float
    probe_every: float
    late_after: float
    on_time_for: float
    give_up_after: float = GIVE_UP_AFTER

    def grace(self, grace_class: GraceClass) -> float:
        return self.graces[grace_class]

    def evidence(self, grace_class: GraceClass) -> float:
        """Return for how long after a call notifications must have kept arriving to show that its own would have, too.

        This is the whole grace period where that was shortened: less would be no evidence.
        """
        return min(MAX_EVIDENCE, self.graces[grace_class])


def timing(shortened: float | None) -> Timing:
    """Return the default times, or shorter ones if `GODWIT_UNKNOWN_GRACE` shortens every grace period."""
    lease = LEASE if shortened is None else min(LEASE, max(MIN_LEASE, shortened))
    graces = GRACES if shortened is None else {name: min(grace, shortened) for name, grace in GRACES.items()}
    return Timing(
        lease=lease,
        give_back_after=lease / 3,
        connect=min(CONNECT, lease / 10),
        read=min(READ, lease * 0.4),
        graces=graces,
        recheck_after=min(RECHECK_AFTER, max(0.5, graces["TRANSACTIONAL"] / 4)),
        probe_every=min(PROBE_EVERY, max(1.0, graces["TRANSACTIONAL"] / 2)),
        late_after=min(LATE_AFTER, graces["TRANSACTIONAL"]),
        on_time_for=min(ON_TIME_FOR, graces["TRANSACTIONAL"] * 5),
    )
