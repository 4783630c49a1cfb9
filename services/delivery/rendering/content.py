"""Derives the content of a mail from a template, and the sender's domain from the content. Pure."""

from typing import Any

import msgspec

from libs.schemas.delivery.content import Content


def overridden(content: Content, overrides: dict[str, Any]) -> Content:
    """Return the content with some fields replaced. Raise msgspec.ValidationError for a field of the wrong type."""
    return msgspec.convert(msgspec.to_builtins(content) | overrides, Content) if overrides else content


def domain_of(content: Content) -> str:
    """Return the domain of the sender address in lower case; empty if there is none."""
    return content.from_email.strip().rpartition("@")[2].lower() if "@" in content.from_email else ""
