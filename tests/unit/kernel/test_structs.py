"""Copying fields between structs."""

import msgspec
from msgspec import UNSET, UnsetType

from libs.kernel.structs import given_fields, shared_fields, with_fields


class Source(msgspec.Struct):
    name: str
    size: int


class Target(msgspec.Struct):
    name: str
    color: str = "red"


class Patch(msgspec.Struct):
    name: str | UnsetType = UNSET
    color: str | UnsetType | None = UNSET
    size: int | UnsetType = UNSET


def test_only_fields_that_both_have_are_shared() -> None:
    assert shared_fields(Source(name="a", size=1), Target) == {"name": "a"}


def test_null_is_given_and_unset_is_not() -> None:
    assert given_fields(Patch(name="b", color=None)) == {"name": "b", "color": None}


def test_given_fields_replace_those_that_the_struct_has() -> None:
    assert with_fields(Target(name="a"), given_fields(Patch(name="b", size=3))) == Target(name="b")
