"""The rejection of commands and queries."""

from collections.abc import Sequence

from libs.schemas.base import Data, FieldError, Refused

INVALID_REQUEST = "Request validation failed"


class Rejected(Exception):
    """Raised when a command or a query is rejected; nothing was changed.

    `code` is one of the API's error codes (`CONTACT_NOT_FOUND`), `message` is for humans, `errors` name fields.
    """

    def __init__(
        self, code: str, message: str, *, errors: Sequence[FieldError] = (), details: Data | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.errors = list(errors)
        self.details = details or {}

    def as_reply(self) -> Refused:
        return Refused(code=self.code, message=self.message, errors=self.errors, details=self.details)


def invalid(field: str, message: str, code: str, summary: str = INVALID_REQUEST) -> Rejected:
    """Return the rejection of a request with one invalid field."""
    return invalid_fields([FieldError(field=field, message=message, code=code)], summary)


def invalid_fields(errors: Sequence[FieldError], summary: str = INVALID_REQUEST) -> Rejected:
    """Return the rejection of a request with several invalid fields."""
    return Rejected("VALIDATION_ERROR", summary, errors=errors)
