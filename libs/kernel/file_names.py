"""Names of attached files: what a recipient's computer may be told to call a file. Pure.

A name with a path could be written elsewhere, a control character could end the header, and a direction override shows
`gpj.exe` as `exe.jpg`. The gateway rejects such names, the SMTP relay mends them, and delivery mends whatever is left.
"""

import re

CONTROLS = r"\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control characters, line separators, and characters without width or that change the direction of the text."""

FILENAME = rf'^(?!\.{{1,2}}$)[^"/\\{CONTROLS}]+$'
"""What a caller's name must match, as a JSON schema has it."""

MAX_LENGTH = 255
MAX_EXTENSION = 20
UNNAMED = "attachment"

_invalid = re.compile(f'["{CONTROLS}\ud800-\udfff]')
_separator = re.compile(r"[/\\]")


def safe_file_name(name: str, otherwise: str = UNNAMED) -> str:
    """Return the last part of the name without forbidden characters, or `otherwise` if nothing is left of it."""
    last = _separator.split(_invalid.sub("", name))[-1].strip()
    return _shortened(last) if last.strip(". ") else otherwise


def _shortened(name: str) -> str:
    """Return at most MAX_LENGTH characters, with the extension, by which the file is opened."""
    if len(name) <= MAX_LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > MAX_EXTENSION:
        return name[:MAX_LENGTH]
    return stem[: MAX_LENGTH - len(extension) - 1] + dot + extension
