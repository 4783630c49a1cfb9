"""Named points at which a test can kill the process, to hit every crash window on purpose.

`GODWIT_CRASH_AT=after_ses_accept` kills the process (as SIGKILL would) the first time it passes that point,
`after_ses_accept:20` the twentieth time. When it is not set, a point costs one comparison.
"""

import os

_at = ""
_left = 0


def arm(spec: str) -> None:
    """Set the point from `name` or `name:n`. An empty spec disarms it."""
    global _at, _left
    _at, _, count = spec.partition(":")
    _left = int(count or 1)


def point(name: str) -> None:
    """Kill the process if this is the armed point and its count is reached."""
    global _left
    if name != _at:
        return
    _left -= 1
    if _left <= 0:
        os._exit(137)
