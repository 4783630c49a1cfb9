"""Rendering: Plunk's syntax, escaping, and templates that exceed the limits."""

import time
from collections.abc import Callable

import pytest

from libs.kernel.liquid import to_liquid
from services.delivery.rendering.templates import (
    BadTemplate,
    Unrenderable,
    check,
    render_html,
    render_line,
    render_text,
)


@pytest.mark.parametrize(
    ("source", "values", "result"),
    [
        ("Hi {{ name }}!", {"name": "Ann"}, "Hi Ann!"),
        ("Hi {{name}}!", {}, "Hi !"),
        ("{{ data.plan }}", {"data": {"plan": "pro"}}, "pro"),
        ('{{ name ?? "friend" }}', {}, "friend"),
        ("{{ name ?? 'friend' }}", {"name": None}, "friend"),
        ("{{ name ?? dear friend }}", {}, "dear friend"),
        ("{{name??friend}}", {"name": ""}, "friend"),
        ("{{ name ?? friend }}", {"name": "Ann"}, "Ann"),
        ("{{ data.first.name ?? you }}", {"data": {}}, "you"),
        ("{{ n ?? 0 }}", {}, "0"),
        ("{{ on ?? x }}", {"on": False}, "false"),
        ('{{ name ?? "x" | upcase }}', {}, "X"),
        ("{{- name ?? you -}} ", {}, "you"),
        ('{{ name ?? say "hi" }}', {}, 'say "hi"'),
        ("{{ name ?? &quot;you&quot; }}", {}, "you"),
        ("{{ first name }}", {"first name": "Ann"}, "Ann"),
        ("{{ first name ?? you }}", {}, "you"),
        ("{% if plan == 'pro' %}a{% else %}b{% endif %}", {"plan": "pro"}, "a"),
        ("{% if n &gt; 1 %}many{% endif %}", {"n": 2}, "many"),
        ("{% for i in items %}{{ i }},{% endfor %}", {"items": [1, 2]}, "1,2,"),
        ("{{ name | unheard_of }}", {"name": "x"}, "x"),
        ("a }} b { c }", {}, "a }} b { c }"),
    ],
)
def test_templates_render_as_marketers_expect(source: str, values: dict[str, object], result: str) -> None:
    assert render_html(source, values).replace("&#34;", '"') == result


def test_values_are_escaped_in_html_and_never_evaluated() -> None:
    values = {"name": "<script>{{ secret }}</script>", "secret": "s3cret"}
    assert render_html("{{ name }}", values) == "&lt;script&gt;{{ secret }}&lt;/script&gt;"


def test_a_subject_is_one_line_of_plain_text() -> None:
    assert render_line("Hi {{ name }}", {"name": "A & B\r\nBcc: x@example.com"}) == "Hi A & B Bcc: x@example.com"


def test_plain_liquid_stays_unchanged() -> None:
    source = '{{ a | default: "x" }}{% if a %}{{ a.b[0] }}{% endif %}'
    assert to_liquid(source) == source


@pytest.mark.parametrize(
    ("source", "line"), [("{{ name", 1), ("ok\n{% if %}", 2), ("{% include 'x' %}", 1), ("{% for %}", 1)]
)
def test_a_syntax_error_is_reported_with_its_line(source: str, line: int) -> None:
    with pytest.raises(BadTemplate) as bad:
        check(source)
    assert bad.value.line == line


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for i in (1..1000) %}{% for j in (1..1000) %}x{% endfor %}{% endfor %}",
        "{% tablerow i in (1..1000000) %}x{% endtablerow %}",
        "{{ (1..100000000) | join: ',' }}",
        "{{ (1..100000000) | sort | size }}",
        "{% assign a = 'x' %}{% for i in (1..64) %}{% assign a = a | append: a %}{% endfor %}{{ a }}",
        "{% assign a = 'x' %}{% for i in (1..64) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}",
        "{{ 'x' " + "| replace: '', '" + "y" * 300 + "' " * 1 + ("| replace: '', '" + "y" * 300 + "' ") * 6 + "}}",
        "{{ 1 | divided_by: 0 }}",
        "{% assign w = 'b,a,' %}{% for i in (1..12) %}{% assign w = w | append: w %}{% endfor %}"
        "{% for i in (1..9999) %}{% assign s = w | split: ',' | sort %}{% endfor %}",
    ],
)
def test_a_template_that_exceeds_the_limits_is_stopped(source: str) -> None:
    begun = time.process_time()
    with pytest.raises(Unrenderable):
        render_html(source, {})
    assert time.process_time() - begun < 5


def test_a_stopped_template_does_not_affect_the_next() -> None:
    with pytest.raises(Unrenderable):
        render_html("{% for i in (1..100000000) %}x{% endfor %}", {})
    assert render_html("{{ name }}", {"name": "Ann"}) == "Ann"


def test_a_template_nested_too_deeply_is_rejected() -> None:
    with pytest.raises(BadTemplate):
        check("{% if a %}" * 5000 + "{% endif %}" * 5000)


@pytest.mark.parametrize("value", ["a < b", "", None, True, False, 0, 1.5, 10**20, ["a", "<b>", 1], {"a": [1]}, [], {}])
@pytest.mark.parametrize("render", [render_html, render_text])
def test_fast_templates_render_like_liquid(render: Callable[[str, dict[str, object]], str], value: object) -> None:
    short, long = "<p>{{ name }}{{missing}}</p>", "<p>{{ name }}{{missing}}</p>{% comment %}{% endcomment %}"
    assert render(short, {"name": value}) == render(long, {"name": value})


def test_liquid_keywords_are_left_to_liquid() -> None:
    assert render_text("{{ true }}{{ nil }}{{ empty }}", {"true": "x", "nil": "x"}) == "true"
    with pytest.raises(Unrenderable):
        render_text("{{ a }}", {"a": "x" * 2_000_001})
