"""What the variants of an A/B test say, and whether they can be sent. Pure."""

from collections.abc import Iterator

from msgspec.structs import replace

from libs.kernel.liquid import find_mistake
from libs.kernel.rejection import invalid, invalid_fields
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import FieldError
from libs.schemas.campaigns.ab_tests import (
    AbTest,
    FrozenTest,
    FrozenVariant,
    Variant,
)
from libs.schemas.delivery.content import Content
from services.campaigns.content.markdown import MAX_LENGTH, html_of
from services.campaigns.content.rules import MAX_CONTENT_BYTES, with_preheader

FEWEST = 2


def written(test: AbTest) -> AbTest:
    """The test with the Markdown of its variants compiled. Raises Rejected for one that has other HTML besides."""
    if errors := [error for place, variant in enumerate(test.variants) for error in _bodies(place, variant)]:
        raise invalid_fields(errors)
    return replace(test, variants=[_compiled(variant) for variant in test.variants])


def require_possible(test: AbTest, content: Content, preheader: str | None) -> None:
    """Refuse a test that could not be made of this content."""
    if errors := [*_set(test.variants), *_texts(test.variants)] or _size(test, content, preheader):
        raise invalid_fields(errors)


def chosen(test: AbTest, key: str) -> Variant:
    """The variant with this key. Raises Rejected if there is none."""
    found = next((variant for variant in test.variants if variant.key == key), None)
    if found is None:
        message = f"One of {', '.join(test.keys)}" if test.keys else "The campaign has no A/B test"
        raise invalid("variant", message, "invalid_enum_value")
    return found


def filled(variant: Variant, content: Content) -> Content:
    """What a variant says. Where it says nothing of its own, that is what the campaign says."""
    return replace(content, subject=variant.subject or content.subject, body=variant.body or content.body)


def said(variant: Variant, content: Content, preheader: str | None) -> Content:
    """The mail of a variant."""
    return with_preheader(filled(variant, content), preheader if variant.preheader is None else variant.preheader)


def frozen(test: AbTest, content: Content, preheader: str | None) -> FrozenTest:
    """The test as it is sent: a preheader is a part of the body."""
    return FrozenTest(
        variants=[_frozen(variant, content, preheader) for variant in test.variants],
        share_percent=test.share_percent,
    )


def _frozen(variant: Variant, content: Content, preheader: str | None) -> FrozenVariant:
    of_its_own = variant.body or variant.preheader is not None
    return FrozenVariant(
        key=variant.key,
        subject=variant.subject or None,
        body=said(variant, content, preheader).body if of_its_own else None,
    )


def _bodies(place: int, variant: Variant) -> Iterator[FieldError]:
    if variant.markdown and len(variant.markdown) > MAX_LENGTH:
        message = f"Markdown is limited to {MAX_LENGTH} characters"
        yield FieldError(field=f"abTest.variants.{place}.content", message=message, code="too_big")
    elif variant.markdown and variant.body and variant.body != html_of(variant.markdown):
        message = "Give the body as HTML in `body` or as Markdown in `content`, not both"
        yield FieldError(field=f"abTest.variants.{place}.content", message=message, code="invalid")


def _compiled(variant: Variant) -> Variant:
    return replace(variant, body=html_of(variant.markdown)) if variant.markdown else variant


def _set(variants: list[Variant]) -> Iterator[FieldError]:
    """What is wrong with them together."""
    if len(variants) < FEWEST:
        yield FieldError(field="abTest.variants", message=f"A test has at least {FEWEST} variants", code="too_small")
    keys = [variant.key.casefold() for variant in variants]
    texts = [replace(variant, key="") for variant in variants]
    for place in range(len(variants)):
        if (first := keys.index(keys[place])) < place:
            message = f"Variant {first + 1} has the key {variants[first].key}"
            yield FieldError(field=f"abTest.variants.{place}.key", message=message, code="duplicate")
        elif (first := texts.index(texts[place])) < place:
            message = f"It says the same as variant {variants[first].key}"
            yield FieldError(field=f"abTest.variants.{place}", message=message, code="duplicate")


def _texts(variants: list[Variant]) -> Iterator[FieldError]:
    for place, variant in enumerate(variants):
        path = f"abTest.variants.{place}"
        body = ("content", variant.markdown) if variant.markdown else ("body", variant.body)
        for field, text in (("subject", variant.subject), ("preheader", variant.preheader), body):
            if text and (mistake := find_mistake(text)):
                yield FieldError(field=f"{path}.{field}", message=str(mistake), code="invalid_template")
        if variant.subject and ("\n" in variant.subject or "\r" in variant.subject):
            yield FieldError(field=f"{path}.subject", message="A subject is one line", code="invalid_string")


def _size(test: AbTest, content: Content, preheader: str | None) -> list[FieldError]:
    """All that the variants say travels in one event, beside what the campaign says."""
    largest = max(len(encode(test)), len(encode(frozen(test, content, preheader))))
    if largest + len(encode(content)) <= MAX_CONTENT_BYTES:
        return []
    message = f"The campaign and its variants are limited to {MAX_CONTENT_BYTES} bytes together"
    return [FieldError(field="abTest.variants", message=message, code="too_big")]
