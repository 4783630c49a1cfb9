"""A page as data, before it becomes HTML. Pure."""

import msgspec


class Action(msgspec.Struct, frozen=True):
    """A button: its label and the address that it posts to."""

    label: str
    to: str


class Choice(msgspec.Struct, frozen=True):
    """A selection: the question, the options by the value that each posts under `name`, and the button."""

    name: str
    question: str
    options: dict[str, str]
    button: Action


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page in the language `locale`. Its texts are plain text, not HTML."""

    locale: str
    title: str
    text: str
    status: int = 200
    button: Action | None = None
    choice: Choice | None = None
    retry_after: int | None = None
