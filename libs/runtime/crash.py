"""Named points at which a test can have the process die, to hit every window of a crash on purpose.

`GODWIT_CRASH_AT=after_ses_accept` kills the process (as SIGKILL would) the first time it passes that point,
`after_ses_accept:20` the twentieth time. Unset, a point costs one comparison.
"""

import os

_at = ""
_left = 0


def arm(spec: str) -> None:
    """Choose the point from `name` or `name:n`; an empty spec disarms."""
    global _at, _left
    _at, _, count = spec.partition(":")
    _left = int(count or 1)


def point(name: str) -> None:
    """Die here if this is the chosen point and its turn has come."""
    global _left
    if name != _at:
        return
    _left -= 1
    if _left <= 0:
        os._exit(137)
