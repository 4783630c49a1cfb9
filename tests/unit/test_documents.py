"""The generated documents in docs/ are up to date."""

from pathlib import Path

import pytest

from deploy.documents.generate import generate

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    return generate()


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json", "settings.md"])
def test_the_document_is_up_to_date(documents: dict[str, str], name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == documents[name], "run `make docs`"
