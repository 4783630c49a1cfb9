"""How long things may take: the lease of a claim, the calls within it, and the grace of what stays unknown. Pure.

The lease outlasts whatever a live sender can do with a claim: it gives the claim back if a third of the lease passed
before the call, and the call ends by its own timeouts. So a claim whose lease is over belongs to a sender that died.
"""

import msgspec

from libs.schemas.delivery import Source

LEASE = 60.0
SHORTEST_LEASE = 10.0
CONNECT, READ = 3.0, 15.0
GRACES: dict[Source, float] = {"TRANSACTIONAL": 600.0, "WORKFLOW": 3600.0, "CAMPAIGN": 3600.0}
LONGEST_EVIDENCE = 120.0
GIVE_UP_AFTER = 24 * 3600.0


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """All in seconds.

    - `lease` bounds a claim; `give_back_after` is how old it may be when the call begins;
    - `graces` say how long a notification is waited for before a mail is sent once more;
    - `recheck_after` is the pause before a held resend is looked at again, `give_up_after` the end of holding.
    """

    lease: float
    give_back_after: float
    connect: float
    read: float
    graces: dict[Source, float]
    recheck_after: float
    give_up_after: float = GIVE_UP_AFTER

    def grace(self, source: Source) -> float:
        return self.graces[source]

    def evidence(self, source: Source) -> float:
        """How long after a call notifications must still have come in, to show that its own would have, too. Of a
        grace that was shortened it is all: a moment's evidence is none."""
        return min(LONGEST_EVIDENCE, self.graces[source])


def timing(shortened: float | None) -> Timing:
    """The usual times, or shorter ones where `GODWIT_UNKNOWN_GRACE` shortens every grace."""
    lease = LEASE if shortened is None else min(LEASE, max(SHORTEST_LEASE, shortened))
    graces = GRACES if shortened is None else {source: min(grace, shortened) for source, grace in GRACES.items()}
    return Timing(
        lease=lease,
        give_back_after=lease / 3,
        connect=min(CONNECT, lease / 10),
        read=min(READ, lease * 0.4),
        graces=graces,
        recheck_after=min(30.0, max(0.5, min(graces.values()) / 4)),
    )
