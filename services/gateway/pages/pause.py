"""How long a contact can pause its mails."""

from datetime import datetime
from typing import Literal, get_args

from dateutil.relativedelta import relativedelta

PauseLength = Literal["two_weeks", "one_month", "six_months", "one_year"]
PAUSE_LENGTHS: tuple[PauseLength, ...] = get_args(PauseLength)

DURATIONS: dict[PauseLength, relativedelta] = {
    "two_weeks": relativedelta(weeks=2),
    "one_month": relativedelta(months=1),
    "six_months": relativedelta(months=6),
    "one_year": relativedelta(years=1),
}


def pause_end(length: PauseLength, start: datetime) -> datetime:
    """Return the end at the same time of day. A day that its month does not have becomes the last of the month."""
    return start + DURATIONS[length]
