from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from semcache.core.fields import FieldError, Fields

Read = Callable[[Fields], object]

TAKEN: list[tuple[object, Read, object]] = [
    ("a", lambda f: f.text("k"), "a"),
    ("", lambda f: f.text("k"), ""),
    ([], lambda f: f.texts("k"), ()),
    (["a", "b"], lambda f: f.texts("k"), ("a", "b")),
    (0, lambda f: f.count("k"), 0),
    (2**62 - 1, lambda f: f.count("k"), 2**62 - 1),
    (0, lambda f: f.share("k"), 0.0),
    (1, lambda f: f.share("k"), 1.0),
    (0.25, lambda f: f.share("k"), 0.25),
    ("0af", lambda f: f.hex("k", 3), "0af"),
    ("b", lambda f: f.one_of("k", "a", "b"), "b"),
    ({"x": 1}, lambda f: f.fields("k").count("x"), 1),
    ([{"x": 1}, {"x": 2}], lambda f: [item.count("x") for item in f.list_of_fields("k")], [1, 2]),
]

REFUSED: list[tuple[object, Read, str]] = [
    (1, lambda f: f.text("k"), "doc.k: found '1', allowed text"),
    (None, lambda f: f.text("k"), "doc.k: found 'None', allowed text"),
    ("a", lambda f: f.texts("k"), "doc.k: found 'a', allowed a list of texts"),
    (["a", 1], lambda f: f.texts("k"), "doc.k: found \"['a', 1]\", allowed a list of texts"),
    (-1, lambda f: f.count("k"), "doc.k: found '-1', allowed a whole number of 0 or more"),
    (1.0, lambda f: f.count("k"), "doc.k: found '1.0', allowed a whole number of 0 or more"),
    (True, lambda f: f.count("k"), "doc.k: found 'True', allowed a whole number of 0 or more"),
    ("1", lambda f: f.count("k"), "doc.k: found '1', allowed a whole number of 0 or more"),
    (2**62, lambda f: f.count("k"), f"doc.k: found '{2**62}', allowed a whole number of 0 or more"),
    (1.5, lambda f: f.share("k"), "doc.k: found '1.5', allowed a number from 0 to 1"),
    (-0.5, lambda f: f.share("k"), "doc.k: found '-0.5', allowed a number from 0 to 1"),
    (float("nan"), lambda f: f.share("k"), "doc.k: found 'nan', allowed a number from 0 to 1"),
    (True, lambda f: f.share("k"), "doc.k: found 'True', allowed a number from 0 to 1"),
    ("0AF", lambda f: f.hex("k", 3), "doc.k: found '0AF', allowed 3 lower-case hex digits"),
    ("0a", lambda f: f.hex("k", 3), "doc.k: found '0a', allowed 3 lower-case hex digits"),
    (12, lambda f: f.hex("k", 2), "doc.k: found '12', allowed 2 lower-case hex digits"),
    ("c", lambda f: f.one_of("k", "a", "b"), "doc.k: found 'c', allowed a or b"),
    ([], lambda f: f.one_of("k", "a"), "doc.k: found '[]', allowed a"),
    ([], lambda f: f.fields("k"), "doc.k: found list, allowed an object"),
    ({}, lambda f: f.list_of_fields("k"), "doc.k: found '{}', allowed a list"),
    ([{}, 1], lambda f: f.list_of_fields("k"), "doc.k[1]: found int, allowed an object"),
    ("x" * 99, lambda f: f.count("k"), f"doc.k: found '{'x' * 60}', allowed a whole number of 0 or more"),
]


@pytest.mark.parametrize(("value", "read", "expected"), TAKEN)
def test_a_field_of_its_type_is_taken(value: object, read: Read, expected: object) -> None:
    """What is allowed comes back as it was written."""
    assert read(Fields({"k": value}, "doc")) == expected


@pytest.mark.parametrize(("value", "read", "message"), REFUSED)
def test_a_field_of_another_type_is_named(value: object, read: Read, message: str) -> None:
    """The error says which field, what was found and what is allowed."""
    with pytest.raises(FieldError, match=f"^{re.escape(message)}$"):
        read(Fields({"k": value}, "doc"))


@pytest.mark.parametrize(
    "read",
    [
        lambda f: f.text("k"),
        lambda f: f.texts("k"),
        lambda f: f.count("k"),
        lambda f: f.share("k"),
        lambda f: f.hex("k", 2),
        lambda f: f.one_of("k", "a"),
        lambda f: f.fields("k"),
        lambda f: f.list_of_fields("k"),
    ],
)
def test_a_missing_field_is_named(read: Read) -> None:
    """No field has a default."""
    with pytest.raises(FieldError, match=r"^doc\.k: missing$"):
        read(Fields({"other": 1}, "doc"))


def test_a_field_can_be_taken_once() -> None:
    """A field that was taken is not there any more."""
    fields = Fields({"k": "a"}, "doc")
    fields.text("k")
    with pytest.raises(FieldError, match=r"^doc\.k: missing$"):
        fields.text("k")


def test_a_field_that_was_not_taken_is_unknown() -> None:
    """What nobody asked for is an error; the first name in order is given."""
    fields = Fields({"b": 1, "a": 2, "k": 3}, "doc")
    fields.count("k")
    with pytest.raises(FieldError, match=r"^doc\.a: unknown field$"):
        fields.nothing_left()


def test_nothing_left_is_quiet_when_everything_was_taken() -> None:
    """A document that was read whole is in order."""
    fields = Fields({"k": 3}, "doc")
    fields.count("k")
    fields.nothing_left()
    assert fields.names() == []


def test_names_are_the_ones_left_in_order() -> None:
    """Names come sorted, without those that were taken."""
    fields = Fields({"c": 1, "a": 1, "b": 1}, "doc")
    fields.count("a")
    assert fields.names() == ["b", "c"]


def test_the_document_that_was_given_is_not_changed() -> None:
    """Taking a field does not take it from the caller."""
    document = {"k": 1}
    Fields(document, "doc").count("k")
    assert document == {"k": 1}


def test_a_nested_field_is_named_with_its_path() -> None:
    """A problem deep inside says where."""
    with pytest.raises(FieldError, match=r"^document\.a\.b\[0\]\.c: missing$"):
        Fields.parse(b'{"a": {"b": [{}]}}').fields("a").list_of_fields("b")[0].count("c")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{", "not JSON: "),
        (b"[1]", "document: found list, allowed an object"),
        (b"null", "document: found NoneType, allowed an object"),
        (b'{"a": "\xff"}', "not UTF-8: invalid start byte at byte 7"),
        (b'{"a": ' + b"[" * 100_000, "not JSON: nested too deep"),
    ],
)
def test_bytes_that_are_no_object_are_a_field_error(raw: bytes, message: str) -> None:
    """Whatever the bytes are, the error is of one kind and says what is wrong."""
    with pytest.raises(FieldError, match=f"^{re.escape(message)}"):
        Fields.parse(raw)


def test_a_number_of_too_many_digits_is_a_field_error() -> None:
    """Python refuses to convert more than 4,300 digits; a hostile document must not get past FieldError with that."""
    with pytest.raises(FieldError):
        Fields.parse(b'{"a": ' + b"1" * 5000 + b"}")
