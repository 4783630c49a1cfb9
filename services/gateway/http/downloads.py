"""Responses that a browser saves as a file and never shows. Pure."""

Headers = list[tuple[bytes, bytes]]

CSV = b"text/csv; charset=utf-8"
JSON_LINES = b"application/x-ndjson"


def download_headers(filename: str) -> Headers:
    """Return the headers of a file to download. It is not cached; `Edge` adds nosniff, as it does to every response."""
    disposition = f'attachment; filename="{filename}"'
    return [(b"content-disposition", disposition.encode("ascii")), (b"cache-control", b"no-store")]
