"""The pages refer to files, tests and folders that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
PAGES_WITH_PATHS = [page for page in PAGES if page.name != "CHANGELOG.md"]

LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
PATH = re.compile(r"`((?:services|libs|deploy|tests|docs)/[\w./-]+)`")
NAMED_TESTS = re.compile(r"(\w+): (`\w+`(?:, `\w+`)*)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES_WITH_PATHS, ids=name_of)
def test_paths_exist(page: Path) -> None:
    paths = PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_tests_of_each_fault_exist() -> None:
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8").partition("## Each fault")[2]
    files = {
        path.stem.removeprefix("test_").removeprefix("ses_"): path for path in map(ROOT.joinpath, PATH.findall(text))
    }
    named = [(file, name) for file, names in NAMED_TESTS.findall(text) for name in names.strip("`").split("`, `")]
    assert len(named) > 40
    assert [each for each in named if not has_test(files[each[0]], each[1])] == []


def has_test(file: Path, name: str) -> bool:
    return re.search(rf"def test_\w*{name}", file.read_text(encoding="utf-8")) is not None
