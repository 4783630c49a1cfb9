"""How long things may take: the lease of a claim, the calls within it, and the grace of what stays unknown. Pure.

The lease outlasts whatever a live sender can do with a claim: it gives the claim back if a third of the lease passed
before the call, and the call ends by its own timeouts. So a claim whose lease is over belongs to a sender that died.
"""

from typing import Literal, TypeAlias

import msgspec

LEASE = 60.0
SHORTEST_LEASE = 10.0
CONNECT, READ = 3.0, 15.0
Policy: TypeAlias = Literal["ONE_TIME_CODE", "TRANSACTIONAL", "WORKFLOW", "CAMPAIGN"]
"""Which mail is sent again how soon: where a mail comes from, or that it carries a code that somebody waits for."""

GRACES: dict[Policy, float] = {
    "ONE_TIME_CODE": 30.0,
    "TRANSACTIONAL": 600.0,
    "WORKFLOW": 3600.0,
    "CAMPAIGN": 3600.0,
}
RECHECK_AFTER = 30.0
LONGEST_EVIDENCE = 120.0
PROBE_EVERY = 60.0
LATE_AFTER = 15.0
CALM = 30.0
"""SNS tries again 20 seconds after a failure: https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html"""
GIVE_UP_AFTER = 24 * 3600.0


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """All in seconds.

    - `lease` bounds a claim; `give_back_after` is how old it may be when the call begins;
    - `graces` say how long a notification is waited for before a mail is sent once more;
    - `recheck_after` is the pause before a held resend is looked at again, `give_up_after` the end of holding;
    - `probe_every` is the pause between probes while something is held;
    - `late_after` is the age at which news of a mail is late, which means that SNS could not hand it over at once;
      `calm` is how long none may have been late before silence about a mail says anything.
    """

    lease: float
    give_back_after: float
    connect: float
    read: float
    graces: dict[Policy, float]
    recheck_after: float
    probe_every: float
    late_after: float
    calm: float
    give_up_after: float = GIVE_UP_AFTER

    def grace(self, policy: Policy) -> float:
        return self.graces[policy]

    def evidence(self, policy: Policy) -> float:
        """How long after a call notifications must still have come in, to show that its own would have, too. Of a
        grace that was shortened it is all: a moment's evidence is none."""
        return min(LONGEST_EVIDENCE, self.graces[policy])


def timing(shortened: float | None) -> Timing:
    """The usual times, or shorter ones where `GODWIT_UNKNOWN_GRACE` shortens every grace."""
    lease = LEASE if shortened is None else min(LEASE, max(SHORTEST_LEASE, shortened))
    graces = GRACES if shortened is None else {policy: min(grace, shortened) for policy, grace in GRACES.items()}
    return Timing(
        lease=lease,
        give_back_after=lease / 3,
        connect=min(CONNECT, lease / 10),
        read=min(READ, lease * 0.4),
        graces=graces,
        recheck_after=min(RECHECK_AFTER, max(0.5, graces["TRANSACTIONAL"] / 4)),
        probe_every=min(PROBE_EVERY, max(1.0, graces["TRANSACTIONAL"] / 2)),
        late_after=min(LATE_AFTER, graces["TRANSACTIONAL"]),
        calm=min(CALM, graces["TRANSACTIONAL"] * 5),
    )
