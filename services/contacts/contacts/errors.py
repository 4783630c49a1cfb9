"""Rejections of commands and queries about contacts."""

from libs.kernel.rejection import Rejected


def contact_not_found() -> Rejected:
    return Rejected("CONTACT_NOT_FOUND", "Contact not found")


def address_taken() -> Rejected:
    return Rejected("CONFLICT", "Contact with this email already exists in this project")


def contact_exists() -> Rejected:
    return Rejected("CONFLICT", "Contact already exists")
