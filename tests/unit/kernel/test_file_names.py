"""Names of attached files."""

import re
from base64 import b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kernel.file_names import FILENAME, MAX_LENGTH, safe_file_name
from services.delivery.rendering.mime import AttachedFile, message
from services.gateway.mails.attachments import AttachmentBody

BAD = {
    "../../etc/passwd": "passwd",
    "C:\\Windows\\win.ini": "win.ini",
    "invoice\u202efdp.exe": "invoicefdp.exe",
    "a\u2066b.pdf": "ab.pdf",
    "line\r\nBcc: eve@example.com.pdf": "lineBcc: eve@example.com.pdf",
    'quo"te.pdf': "quote.pdf",
    "nul\x00.pdf": "nul.pdf",
    "c1\x85.pdf": "c1.pdf",
    "zero\u200bwidth.pdf": "zerowidth.pdf",
    "..": "attachment",
    ".": "attachment",
    "dir/": "attachment",
}


@pytest.mark.parametrize(("name", "safe"), BAD.items())
def test_a_dangerous_name_is_mended(name: str, safe: str) -> None:
    assert safe_file_name(name) == safe


@pytest.mark.parametrize("name", BAD)
def test_the_api_rejects_a_dangerous_name(name: str) -> None:
    body = {"filename": name, "content": b64encode(b"x").decode(), "contentType": "text/plain"}
    with pytest.raises(msgspec.ValidationError, match="filename"):
        msgspec.convert(body, AttachmentBody)


@pytest.mark.parametrize("name", BAD)
def test_no_dangerous_name_is_written_into_a_message(name: str) -> None:
    file = AttachedFile(filename=name, content_type="text/plain", content=b"x")
    head = message([("Subject", "s")], "t", "<p>t</p>", [file]).decode()
    assert f'filename="{BAD[name]}"' in head


@given(st.text(st.characters(codec="utf-8"), max_size=400))
def test_a_mended_name_is_one_that_the_api_accepts(name: str) -> None:
    mended = safe_file_name(name)
    assert re.search(FILENAME, mended)
    assert 1 <= len(mended) <= MAX_LENGTH


@pytest.mark.parametrize(
    "name", ["Rechnung März 2026.pdf", "報告.xlsx", ".gitignore", "a.tar.gz", "…", "50 % off (new).png"]
)
def test_an_ordinary_name_stays(name: str) -> None:
    assert safe_file_name(name) == name
    assert re.search(FILENAME, name)


def test_a_long_name_keeps_its_extension() -> None:
    assert safe_file_name("x" * 400 + ".pdf") == "x" * 251 + ".pdf"
