"""Which keys are too easy to guess. Only for keys that people choose: generated ones are random. Pure."""

from itertools import pairwise

MIN_LENGTH = 32
MIN_DIFFERENT = 10
MAX_RUN_SHARE = 0.5
MIN_TRIGRAM_SHARE = 0.75


def weakness_of(key: str, prefix: str) -> str | None:
    """Return why nobody should use the key, as a phrase after "it", or None for a strong one.

    A strong key is `prefix` and at least 32 characters that look random, such as 48 or 64 hexadecimal digits.
    """
    if not key.startswith(prefix):
        return f"must start with {prefix}"
    secret = key.removeprefix(prefix)
    if not (secret.isascii() and secret.isprintable() and " " not in secret):
        return "must consist of printable ASCII characters without spaces"
    if len(secret) < MIN_LENGTH:
        return f"must have at least {MIN_LENGTH} characters after {prefix}"
    if len(set(secret)) < MIN_DIFFERENT:
        return f"must have at least {MIN_DIFFERENT} different characters after {prefix}"
    if _share_of_runs(secret) > MAX_RUN_SHARE or _share_of_trigrams(secret) < MIN_TRIGRAM_SHARE:
        return "must be random, without runs such as 1234 or aaaa and without repetitions"
    return None


def _share_of_runs(text: str) -> float:
    """Return the share of characters that continue a run such as aaaa, abcd or 4321."""
    steps = [abs(ord(after) - ord(before)) <= 1 for before, after in pairwise(text)]
    return sum(steps) / len(steps)


def _share_of_trigrams(text: str) -> float:
    """Return how many of the sequences of three characters differ from each other."""
    trigrams = [text[at : at + 3] for at in range(len(text) - 2)]
    return len(set(trigrams)) / len(trigrams)
