"""Rejections of commands and queries about segments."""

from libs.kernel.rejection import Rejected


def segment_not_found() -> Rejected:
    return Rejected("SEGMENT_NOT_FOUND", "Segment not found")


def not_tracked() -> Rejected:
    return Rejected("SEGMENT_NOT_TRACKED", "Segment does not have membership tracking enabled")


def not_static(what: str) -> Rejected:
    """Return the rejection of `what`, such as "add contacts to", for a segment with a condition."""
    return Rejected("SEGMENT_NOT_STATIC", f"Can only {what} STATIC segments")


def in_use(by: int) -> Rejected:
    message = f"Cannot delete segment: it is currently used in the conditions of {by} other segment(s)."
    return Rejected("SEGMENT_IN_USE", message)
