"""Typos in domains are detected, and other domains are left alone."""

import pytest

from services.gateway.verification.domain_lists import shipped
from services.gateway.verification.typo import is_one_typo_away, suggest_domain


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
def test_a_domain_one_typo_away_from_a_popular_one_is_corrected(domain: str, meant: str | None) -> None:
    assert suggest_domain(domain, shipped()) == meant


@pytest.mark.parametrize(
    ("one", "other", "is_typo"),
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
def test_a_typo_is_one_letter_or_two_swapped_ones(one: str, other: str, is_typo: bool) -> None:
    assert is_one_typo_away(one, other) is is_typo
    assert is_one_typo_away(other, one) is is_typo


def test_subdomains_of_listed_domains_are_listed_and_the_lists_are_consistent() -> None:
    lists = shipped()
    assert lists.contains(lists.disposable, "any.mailinator.com")
    assert not lists.contains(lists.disposable, "notmailinator.com")
    assert not lists.disposable & (lists.personal | lists.popular | lists.forwarding)
    assert lists.popular <= lists.personal
