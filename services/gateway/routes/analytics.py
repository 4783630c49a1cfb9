"""Figures of the project's mail over time."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from libs.runtime.clock import now
from libs.schemas.feedback.mails import Day, GetTimeseries
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import query_responses

DEFAULT_DAYS, MAX_DAYS = 30, 90
FIRST_YEAR, LAST_YEAR = 1970, 2999

Start = Annotated[
    str | None,
    QueryParameter(name="startDate", max_length=40, description="ISO 8601 date or time; default: 30 days ago"),
]
End = Annotated[
    str | None, QueryParameter(name="endDate", max_length=40, description="ISO 8601 date or time; default: today")
]


@get("/analytics/timeseries", responses=query_responses(list[Day]), tags=["Analytics"])
async def get_timeseries(request: ApiRequest, start_date: Start = None, end_date: End = None) -> RawResponse:
    """Get figures by day

    For each day in UTC, including days without mail: how many mails Amazon SES accepted, how many were delivered, how
    many were opened or clicked by a human for the first time, and how many bounced permanently. At most 90 days.
    """
    end = _day("endDate", end_date) or now().date()
    start = _day("startDate", start_date) or end - timedelta(days=DEFAULT_DAYS - 1)
    if start > end:
        raise invalid_field("startDate", "Must not be after endDate", "invalid_date")
    if (end - start).days >= MAX_DAYS:
        raise invalid_field("startDate", f"The range must not exceed {MAX_DAYS} days", "too_big")
    return RawResponse(await request.query(GetTimeseries(start=start, end=end)))


def _day(field: str, text: str | None) -> date | None:
    """Return the day in UTC. Raises ApiError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        day = (moment.astimezone(UTC) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        raise invalid_field(field, "Must be an ISO 8601 date or time", "invalid_date") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise invalid_field(field, f"The year must be between {FIRST_YEAR} and {LAST_YEAR}", "invalid_date")
    return day
