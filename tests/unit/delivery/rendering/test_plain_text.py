"""Converting HTML to plain text, of mails and of templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.delivery.rendering.plain_text import text_template, tidied
from services.delivery.rendering.templates import render_html, render_text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<div>a</div>\n  <div>b\n c</div>", "a\nb c"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<tr><td>a</td><td>b</td></tr>", "a b"),
        ("5 &lt; 6 &amp; 7 < 8", "5 < 6 & 7 < 8"),
        ('<a href="https://x.example/?a=1&amp;b=2">here</a>', "here (https://x.example/?a=1&b=2)"),
        ("<a href='https://x.example'>https://x.example</a>", "https://x.example"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example"),
        ('<a href="#top">up</a><a name=x>y</a>', "upy"),
        ('<a href="https://x.example"><img src="a.png" alt="Shop"></a>', "Shop (https://x.example)"),
        ('<a href="https://x.example"><img src="a.png"></a>', "https://x.example"),
        ("<style>p{}</style><title>T</title><p>x</p><script>1</script>", "x"),
        ("<!--[if mso]><table><tr><td><![endif]--><p>x</p>", "x"),
        ('<img alt="a > b"><p title="1 > 0">x</p>', "a > b\n\nx"),
        ("<p>unfinished <b", "unfinished <b"),
        ("<!doctype html><html><body>x</body></html>", "x"),
        ("Just text, 1 < 2\nand a second line", "Just text, 1 < 2\nand a second line"),
        ("<p>{{ name }} &amp; {{ a > b }}</p>", "{{ name }} & {{ a > b }}"),
        ('<a href="{{ manageUrl }}">settings</a>', "settings ({{ manageUrl }})"),
        ("{% if a > 1 %}<p>x</p>{% endif %}", "{% if a > 1 %}\n\nx\n\n{% endif %}"),
        ('<p style="{% if a %}color:red{% endif %}">x</p>', "{% if a %}{% endif %}\n\nx"),
        ("<style>{% assign q = 1 %}{{ q }}</style><p>{{ q }}</p>", "{% assign q = 1 %}\n\n{{ q }}"),
    ],
)
def test_html_becomes_plain_text(body: str, text: str) -> None:
    assert text_template(body) == text


VALUES = {"name": "A < B & <i>C</i>", "n": 2, "items": ["x", "y"], "url": "https://x.example/?a=1&b=2", "none": None}


@pytest.mark.parametrize(
    "body",
    [
        "<p>Hi {{ name }}, {{ missing ?? friend }}</p>",
        "<ul>{% for i in items %}<li>{{ i }}</li>{% endfor %}</ul>",
        "{% if n > 1 %}<h1>many</h1>{% else %}<p>one</p>{% endif %}<a href='{{ url }}'>go</a>",
        "<table><tr {% if n == 2 %}class='b'{% endif %}><td>{{ n }}</td><td>{{ none }}</td></tr></table>",
    ],
)
def test_converting_the_template_equals_converting_the_mail(body: str) -> None:
    of_the_mail = text_template(render_html(body, VALUES))
    of_the_template = tidied(render_text(text_template(body), VALUES))
    assert of_the_template.split() == of_the_mail.split()


@given(st.text(alphabet="<>/a \"'=!-{}%\ue000\ue0011pbr&;\n", max_size=60))
def test_any_input_can_be_converted(body: str) -> None:
    assert isinstance(text_template(body), str)


def test_hostile_html_takes_linear_time() -> None:
    for evil in ("<", '<a "', "<style>", "<!--", "{{", "{%", '<a href="', "<a ", "<li>"):
        text_template(evil * (400_000 // len(evil)))
