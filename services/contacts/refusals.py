"""The ways in which this service says no."""

from libs.kernel.rejection import Rejected
from libs.schemas.base import FieldError

FAILED = "Request validation failed"


def invalid(field: str, message: str, code: str, summary: str = FAILED) -> Rejected:
    """One field of the request cannot be accepted."""
    return Rejected("VALIDATION_ERROR", summary, errors=[FieldError(field=field, message=message, code=code)])


def contact_not_found() -> Rejected:
    return Rejected("CONTACT_NOT_FOUND", "Contact not found")


def segment_not_found() -> Rejected:
    return Rejected("SEGMENT_NOT_FOUND", "Segment not found")


def address_taken() -> Rejected:
    return Rejected("CONFLICT", "Contact with this email already exists in this project")


def contact_exists() -> Rejected:
    return Rejected("CONFLICT", "Contact already exists")
