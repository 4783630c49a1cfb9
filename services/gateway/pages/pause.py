"""How long a contact can pause its mails."""

import calendar
from datetime import datetime, timedelta
from typing import Literal, get_args

PauseLength = Literal["two_weeks", "one_month", "six_months", "one_year"]
PAUSE_LENGTHS: tuple[PauseLength, ...] = get_args(PauseLength)

MONTHS: dict[PauseLength, int] = {"one_month": 1, "six_months": 6, "one_year": 12}


def pause_end(length: PauseLength, start: datetime) -> datetime:
    """The same time of the day, so many calendar months later; on the month's last day if it is too short."""
    if length == "two_weeks":
        return start + timedelta(weeks=2)
    months = start.month - 1 + MONTHS[length]
    year, month = start.year + months // 12, months % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))
