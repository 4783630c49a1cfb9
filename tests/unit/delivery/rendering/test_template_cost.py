"""What can be rendered beside other mails, and what has to be rendered where it can be killed."""

import pytest
from liquid import Environment

from services.delivery.rendering.template_cost import is_cheap

LIQUID = Environment()


@pytest.mark.parametrize(
    "template",
    [
        "Hello",
        "{{ name }}",
        "{{ name | default: 'friend', allow_false: true | upcase }}",
        "{% if plan == 'pro' and name contains 'A' %}{{ name }}{% elsif plan %}b{% else %}c{% endif %}",
        "{% unless plan %}a{% endunless %}{% case plan %}{% when 'a', 'b' %}{{ x }}{% else %}y{% endcase %}",
        "{% comment %} {% for i in x %} {% endcomment %}",
        "{{ order.items[0].title }}",
    ],
)
def test_cheap(template: str) -> None:
    assert is_cheap(LIQUID.from_string(template))


@pytest.mark.parametrize(
    "template",
    [
        "{% if (1..100000000000) contains 'x' %}{% endif %}",
        "{{ (1..9) | join: ',' }}",
        "{{ x | default: (1..9) }}",
        "{% for i in list %}{{ i }}{% endfor %}",
        "{{ at | date: '%Y' }}",
        "{% assign a = b %}{{ a }}",
        "{% capture a %}{{ b }}{% endcapture %}",
        "{{ a | append: a }}",
        "{{ a | times: 999999999 }}",
        "{{ a | replace: 'b', c }}",
        "{{ a | split: '' | uniq }}",
        "{{ a | escape | escape | escape | escape }}",
        "{% if a %}{{ b }}{% else %}{% for i in x %}{% endfor %}{% endif %}",
        "{% if a %}{% endif %}" * 201,
        "{% tablerow i in list %}{% endtablerow %}",
        "{% increment a %}",
        "{% cycle 'a', 'b' %}",
        "{% echo a | append: a %}",
        "{% liquid assign a = b %}",
    ],
)
def test_not_provably_cheap(template: str) -> None:
    assert not is_cheap(LIQUID.from_string(template))
