"""How a decider says no."""

from libs.schemas.base import Data, FieldError, Refused


class Rejected(Exception):
    """The command cannot be done, and the caller is to be told why. Nothing was changed.

    `code` is one of the API's error codes (`CONTACT_NOT_FOUND`), `message` is for people, `errors` name fields.
    """

    def __init__(
        self, code: str, message: str, *, errors: list[FieldError] | None = None, details: Data | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.errors = errors or []
        self.details = details or {}

    def as_reply(self) -> Refused:
        return Refused(code=self.code, message=self.message, errors=self.errors, details=self.details)
