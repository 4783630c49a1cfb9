"""What the variants of an A/B test say, and whether they can be sent. Pure."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from libs.kernel.liquid import find_mistake
from libs.kernel.rejection import invalid, invalid_fields
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import FieldError
from libs.schemas.campaigns.ab_tests import AbTest, FrozenTest, FrozenVariant, Variant
from libs.schemas.delivery.content import Content
from services.campaigns.content.markdown import MAX_MARKDOWN, html_of
from services.campaigns.content.rules import MAX_CONTENT_BYTES, with_preheader

MIN_VARIANTS = 2


class AbTestContent(msgspec.Struct, frozen=True, kw_only=True):
    """An A/B test, and the content and preheader of the campaign for what its variants leave out."""

    test: AbTest
    content: Content
    preheader: str | None

    @property
    def contents(self) -> list[Content]:
        """The content of each variant, without preheaders."""
        return [self._content_of(variant) for variant in self.test.variants]

    @property
    def frozen(self) -> FrozenTest:
        """The test as it is sent: a preheader becomes a part of the body."""
        return FrozenTest(
            variants=[self._frozen(variant) for variant in self.test.variants], share_percent=self.test.share_percent
        )

    def mail_of(self, key: str | None) -> Content:
        """Return the mail of a variant, or of the first one. Raise Rejected if there is no such variant."""
        return self._mail_of(self.test.variants[0] if key is None else variant_of(self.test, key))

    def _content_of(self, variant: Variant) -> Content:
        subject, body = variant.subject or self.content.subject, variant.body or self.content.body
        return replace(self.content, subject=subject, body=body)

    def _mail_of(self, variant: Variant) -> Content:
        preheader = self.preheader if variant.preheader is None else variant.preheader
        return with_preheader(self._content_of(variant), preheader)

    def _frozen(self, variant: Variant) -> FrozenVariant:
        has_own_body = variant.body or variant.preheader is not None
        return FrozenVariant(
            key=variant.key,
            subject=variant.subject or None,
            body=self._mail_of(variant).body if has_own_body else None,
        )


def variant_of(test: AbTest, key: str) -> Variant:
    """Return the variant with this key. Raise Rejected if there is none."""
    for variant in test.variants:
        if variant.key == key:
            return variant
    raise invalid("variant", f"One of {', '.join(test.keys)}", "invalid_enum_value")


def with_compiled_markdown(test: AbTest) -> AbTest:
    """Return the test with the Markdown of its variants compiled into their bodies.

    Raise Rejected for a variant that also has another body in HTML.
    """
    if errors := [error for place, variant in enumerate(test.variants) for error in _body_errors(place, variant)]:
        raise invalid_fields(errors)
    return replace(test, variants=[_compiled(variant) for variant in test.variants])


def require_valid(tested: AbTestContent) -> None:
    """Raise Rejected if the test cannot be made of this content."""
    variants = tested.test.variants
    if errors := [*_set_errors(variants), *_text_errors(variants)] or _size_errors(tested):
        raise invalid_fields(errors)


def _body_errors(place: int, variant: Variant) -> Iterator[FieldError]:
    if variant.markdown and len(variant.markdown) > MAX_MARKDOWN:
        message = f"Markdown is limited to {MAX_MARKDOWN} characters"
        yield FieldError(field=f"abTest.variants.{place}.content", message=message, code="too_big")
    elif variant.markdown and variant.body and variant.body != html_of(variant.markdown):
        message = "Give the body as HTML in `body` or as Markdown in `content`, not both"
        yield FieldError(field=f"abTest.variants.{place}.content", message=message, code="invalid")


def _compiled(variant: Variant) -> Variant:
    return replace(variant, body=html_of(variant.markdown)) if variant.markdown else variant


def _set_errors(variants: list[Variant]) -> Iterator[FieldError]:
    """Yield what is wrong with the variants taken together."""
    if len(variants) < MIN_VARIANTS:
        message = f"An A/B test needs at least {MIN_VARIANTS} variants"
        yield FieldError(field="abTest.variants", message=message, code="too_small")
    keys = [variant.key.casefold() for variant in variants]
    texts = [replace(variant, key="") for variant in variants]
    for place in range(len(variants)):
        if (first := keys.index(keys[place])) < place:
            message = f"Key {variants[first].key} is already used by variant {first + 1}"
            yield FieldError(field=f"abTest.variants.{place}.key", message=message, code="duplicate")
        elif (first := texts.index(texts[place])) < place:
            message = f"This variant is identical to variant {variants[first].key}"
            yield FieldError(field=f"abTest.variants.{place}", message=message, code="duplicate")


def _text_errors(variants: list[Variant]) -> Iterator[FieldError]:
    for place, variant in enumerate(variants):
        path = f"abTest.variants.{place}"
        body = ("content", variant.markdown) if variant.markdown else ("body", variant.body)
        for field, text in (("subject", variant.subject), ("preheader", variant.preheader), body):
            if text and (mistake := find_mistake(text)):
                yield FieldError(field=f"{path}.{field}", message=str(mistake), code="invalid_template")
        if variant.subject and ("\n" in variant.subject or "\r" in variant.subject):
            message = "Subject must not contain line breaks"
            yield FieldError(field=f"{path}.subject", message=message, code="invalid_string")


def _size_errors(tested: AbTestContent) -> list[FieldError]:
    """Return an error if the variants and the content together do not fit into one event."""
    largest = max(len(encode(tested.test)), len(encode(tested.frozen)))
    if largest + len(encode(tested.content)) <= MAX_CONTENT_BYTES:
        return []
    message = f"Campaign and variants together are limited to {MAX_CONTENT_BYTES} bytes"
    return [FieldError(field="abTest.variants", message=message, code="too_big")]
