"""A template that would render for ever, or fill the memory, costs its own project a failed mail and others nothing.

The templates are those of a security test, and their kin (S-03).
"""

import time

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.messaging.bus import ask
from libs.schemas.delivery.content import MailPreview, PreviewMail
from tests.service.delivery.driver import DeliveryDriver, content

HOSTILE = {
    "range": "{% if (1..100000000000) contains 'x' %}{% endif %}",
    "reversed range": "{% for i in (1..300000000) reversed %}{% break %}{% endfor %}",
    "far offset": "{% for i in (1..9000000000) offset: 8999999999 %}{{ i }}{% endfor %}",
    "big numbers": "{% assign n = 9 %}" + "{% assign n = n | times: n %}" * 40 + "{{ n }}",
    "doubling": "{% assign a = 'aaaaaaaa' %}" + "{% assign a = a | append: a %}" * 40,
    "nested loops": "{% for a in (1..9999) %}{% for b in (1..9999) %}{% endfor %}{% endfor %}",
    "sorted again and again": "{% assign l = (1..9999) | join: ',' | split: ',' %}" + "{% assign l = l | uniq %}" * 60,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_template_fails_its_own_mail(driver: DeliveryDriver, name: str) -> None:
    await driver.verify_domain()
    body = content("TRANSACTIONAL", subject=HOSTILE[name])
    await driver.send(content=body)
    await driver.reach_states({"failed": 1})
    await driver.send()
    await driver.reach_states({"failed": 1, "sent": 1})


async def test_what_exceeds_its_limits_says_so(driver: DeliveryDriver) -> None:
    await driver.verify_domain()
    queued = await driver.send(content=content("TRANSACTIONAL", subject=HOSTILE["range"]))
    await driver.reach_states({"failed": 1})
    assert str((await driver.email(queued.email)).reason).startswith("TEMPLATE_TOO_EXPENSIVE")


async def test_a_preview_of_a_hostile_template_is_refused_and_others_are_shown_meanwhile(
    driver: DeliveryDriver,
) -> None:
    began = time.monotonic()
    with pytest.raises(Rejected) as refused:
        await preview(driver, HOSTILE["range"])
    assert refused.value.code == "VALIDATION_ERROR"
    assert time.monotonic() - began < 30
    assert (await preview(driver, "{% for i in (1..3) %}{{ i }}{% endfor %}")).subject == "123"


async def preview(driver: DeliveryDriver, subject: str) -> MailPreview:
    query = PreviewMail(content=content("TRANSACTIONAL", subject=subject), recipient="a@example.net")
    return await ask(driver.client, driver.project, query, MailPreview)
