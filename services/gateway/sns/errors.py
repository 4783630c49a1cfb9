"""How an SNS message is turned away."""


class SnsRejected(Exception):
    """Not accepted, and nothing was changed. `status` is the HTTP status that tells SNS so, `message` is for people."""

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
    """It may be true, but we could not find out: SNS is to try again."""
    return SnsRejected(503, "EXTERNAL_SERVICE_ERROR", message)
