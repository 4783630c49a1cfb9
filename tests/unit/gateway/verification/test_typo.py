"""Misspelled domains are noticed, and others are left alone."""

import pytest

from services.gateway.verification.domain_lists import shipped
from services.gateway.verification.typo import one_slip, suggest_domain


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("hotnail.com", "hotmail.com"),
        ("yahoo.con", "yahoo.com"),
        ("gmail.cmo", "gmail.com"),
        ("acme.con", "acme.com"),
        ("gmail.com", None),
        ("mail.com", None),
        ("acme.com", None),
        ("acme.co", None),
        ("news.gmail.com", None),
        ("mailinator.com", None),
    ],
)
def test_a_slip_away_from_a_popular_domain_is_a_typo(domain: str, meant: str | None) -> None:
    assert suggest_domain(domain, shipped()) == meant


@pytest.mark.parametrize(
    ("one", "other", "slip"),
    [
        ("abc", "abc", False),
        ("abc", "abd", True),
        ("abc", "acb", True),
        ("abc", "abcd", True),
        ("abc", "xabc", True),
        ("abc", "bca", False),
        ("abcd", "ab", False),
        ("", "a", True),
    ],
)
def test_one_slip_is_one_letter_or_two_that_changed_places(one: str, other: str, slip: bool) -> None:
    assert one_slip(one, other) is slip
    assert one_slip(other, one) is slip


def test_a_part_of_a_listed_domain_is_listed_and_the_lists_do_not_contradict_each_other() -> None:
    lists = shipped()
    assert lists.has(lists.disposable, "any.mailinator.com")
    assert not lists.has(lists.disposable, "notmailinator.com")
    assert not lists.disposable & (lists.personal | lists.popular | lists.forwarding)
    assert lists.popular <= lists.personal
