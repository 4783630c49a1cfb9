"""The syntax of templates: which mistakes are found, and where."""

import time

import pytest

from libs.kernel.liquid import (
    TemplateMistake,
    find_mistake,
    to_liquid,
    variables_in,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no variables at all",
        "Hello {{ firstName }}",
        "Hello {{ firstName ?? there }}",
        "Hello {{ first name ?? there }}",
        "{% if plan == &quot;pro&quot; %}{{ name }}{% endif %}",
        "Hello {{ firstName | default: 'there' | capitalize }}",
        "{% if plan == 'pro' %}Thanks{% else %}Upgrade{% endif %}",
        "{% for item in items %}{{ item.name }}{% endfor %}",
        "{% raw %}{{ not closed {% endraw %}",
        "a } b }} c %} d { e",
        "{{ 姓名 }}",
    ],
)
def test_a_valid_template_has_no_mistake(text: str) -> None:
    assert find_mistake(text) is None


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("Hello {{ first..name }}", (1, 15)),
        ("Hello\nthere {{ name | nope }}", (2, 17)),
        ("a\nb\n{% nope %}", (3, 4)),
        ("{% include 'other' %}", (1, 4)),
        ("one {{ two", (1, 5)),
        ("{{ name }}\n  {% if name", (2, 3)),
        ("{% if a %}never ended", (1, 22)),
        ("fine {{ a }}, empty {{ }}", (1, 21)),
        ("{% raw %} for ever", (1, 1)),
        ("{{ a ?? b }} then {{ c = d }}", (1, 24)),
        ("{{ a b }} then {{ c ?? 'd' | nope }}", (1, 16)),
        ("{{ a ?? b }} then {{ c | nope }}", (1, 26)),
    ],
)
def test_a_mistake_has_its_position_in_the_authors_text(text: str, position: tuple[int, int]) -> None:
    mistake = find_mistake(text)
    assert mistake is not None
    assert (mistake.line, mistake.column) == position


def test_a_mistake_reads_as_a_sentence() -> None:
    assert (
        str(TemplateMistake(message="unknown filter 'nope'", line=2, column=17))
        == "Line 2, column 17: unknown filter 'nope'"
    )


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        ("{{ name ?? there }}", '{{ name | default: "there", allow_false: true }}'),
        ("{{name??there}}", '{{ name | default: "there", allow_false: true }}'),
        ("{{- data.name ?? 'you' -}}", "{{- data.name | default: 'you', allow_false: true -}}"),
        ("{{ count ?? 0 }}", "{{ count | default: 0, allow_false: true }}"),
        ("{{ name ?? dear friend }}", '{{ name | default: "dear friend", allow_false: true }}'),
        ("{{ name ?? 'you' | upcase }}", "{{ name | default: 'you', allow_false: true | upcase }}"),
        ("""{{ name ?? say "hi" }}""", """{{ name | default: 'say "hi"', allow_false: true }}"""),
        ("{{ name ?? &quot;you&quot; }}", '{{ name | default: "you", allow_false: true }}'),
        ("{{ first name }}", '{{ ["first name"] }}'),
        ("{{ first name ?? you }}", '{{ ["first name"] | default: "you", allow_false: true }}'),
        ("{% if plan == &quot;pro&quot; %}", '{% if plan == "pro" %}'),
        ("What?? {{ name }} &amp; {{ a | upcase }}", "What?? {{ name }} &amp; {{ a | upcase }}"),
    ],
)
def test_templates_are_translated_to_plain_liquid(written: str, parsed: str) -> None:
    assert " ".join(to_liquid(written).split()) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "{{" * 200_000,
        "{% raw %}" * 50_000,
        "{{ a ?? " + " " * 400_000,
        "{% if " + "(" * 200_000 + " %}{% endif %}",
        "{{ a" + "[a" * 1_000 + "]" * 1_000 + " }}",
        "{% if a %}" * 50_000,
        "{{ a }}" * 50_000,
    ],
    ids=["openings", "raws", "blanks", "brackets", "nesting", "blocks", "outputs"],
)
def test_pathological_templates_are_rejected_quickly(text: str) -> None:
    started = time.process_time()
    assert find_mistake(text) is not None
    assert time.process_time() - started < 2


def test_the_variables_of_a_template_are_listed() -> None:
    text = (
        "{{ name ?? you }} {{ order.total }} {{ first name }} {{ order.items[0].price }}"
        "{% for item in order.items %}{{ item.name }}{% endfor %}{% assign x = plan %}{{ x }}"
    )
    assert variables_in(text) == ["first name", "name", "order.items", "order.total", "plan"]


def test_a_template_with_a_mistake_has_no_variables() -> None:
    assert variables_in("{{ name }} {% if %}") == []
