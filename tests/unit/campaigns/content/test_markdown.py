"""Markdown bodies."""

import pytest

from services.campaigns.content.markdown import html_of, is_plain


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# One\n\n###### Six", "<h1>One</h1>\n<h6>Six</h6>\n"),
        ("**bold** and *italic*", "<p><strong>bold</strong> and <em>italic</em></p>\n"),
        ("[shop](https://example.com)", '<p><a href="https://example.com">shop</a></p>\n'),
        ("* one\n* two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n"),
        ("3. three", '<ol start="3">\n<li>three</li>\n</ol>\n'),
        ("> said", "<blockquote>\n<p>said</p>\n</blockquote>\n"),
        ("```\ncode\n```", "<pre><code>code\n</code></pre>\n"),
        ("![cat](https://example.com/c.png)", '<p><img src="https://example.com/c.png" alt="cat" /></p>\n'),
        ("---", "<hr />\n"),
        ("one  \ntwo", "<p>one<br />\ntwo</p>\n"),
    ],
)
def test_supported_markdown_is_compiled(markdown: str, html: str) -> None:
    assert html_of(markdown) == html
    assert is_plain(html)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("`code`", "<p>code</p>\n"),
        ("~~gone~~", "<p>~~gone~~</p>\n"),
        ("| a |\n|---|\n| b |", "<p>| a |\n|---|\n| b |</p>\n"),
        ("[x](javascript:alert)", "<p>[x](javascript:alert)</p>\n"),
    ],
)
def test_unsupported_markdown_stays_text(markdown: str, html: str) -> None:
    assert html_of(markdown) == html


def test_liquid_is_left_untouched() -> None:
    liquid = "{% if a > b %}**{{ name ?? \"x *y* <z>\" }}**{% endif %} [go]({{ url | append: '?a=1' }})"
    html = html_of(liquid)
    assert '{{ name ?? "x *y* <z>" }}' in html
    assert "<a href=\"{{ url | append: '?a=1' }}\">" in html
    assert "{% if a > b %}" in html


@pytest.mark.parametrize("html", ['<p style="x">a</p>', "<table></table>", '<p class="x">a</p>', "<div>a</div>"])
def test_html_that_markdown_cannot_express_is_not_plain(html: str) -> None:
    assert not is_plain(html)
