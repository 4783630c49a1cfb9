"""The errors with which an SNS message is rejected. Pure."""


class SnsRejected(Exception):
    """Raised when a message is rejected; nothing was changed. `status` is the HTTP status that tells SNS so."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def malformed(message: str) -> SnsRejected:
    return SnsRejected(400, "BAD_REQUEST", message)


def not_trusted(message: str) -> SnsRejected:
    return SnsRejected(403, "FORBIDDEN", message)


def retry_later(message: str) -> SnsRejected:
    """Return the rejection of a message that may be genuine but cannot be verified now. SNS tries again."""
    return SnsRejected(503, "EXTERNAL_SERVICE_ERROR", message)
