"""The start tags of HTML, read as browsers read them."""

import pytest

from libs.kernel.html_tags import start_tags


def names(html: str) -> list[tuple[str, ...]]:
    return [(tag.name, *tag.attributes) for tag in start_tags(html)]


@pytest.mark.parametrize(
    ("html", "tags"),
    [
        ("<p>a</p>", [("p",)]),
        ("<A HREF=\"x\" Title='y'>", [("a", "href", "title")]),
        ("<br/><hr />", [("br",), ("hr",)]),
        ("<img src=a.png alt>", [("img", "src", "alt")]),
        ('<a title="1 > 0 <b>" href="x">', [("a", "title", "href")]),
        ("<!-- <table> --><p>", [("p",)]),
        ("<!doctype html><?xml?><![CDATA[x]]><p>", [("p",)]),
        ("a < b <1> </p >", []),
        ("<p><a href='never closed>", [("p",)]),
        ("<p><b", [("p",)]),
        ("<a = href>", [("a", "=", "href")]),
        ("<a href = 'x'>", [("a", "href")]),
    ],
)
def test_names_are_read(html: str, tags: list[tuple[str, ...]]) -> None:
    assert names(html) == tags
