"""YAML as a spec reads it: plain values, no surprises, and a line for whatever is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lrbench.errors import SpecError
from lrbench.spec import yaml_loader
from lrbench.spec.document import MAX_BYTES, read_document
from lrbench.spec.yaml_loader import MAX_DEPTH, MAX_VALUES, load_yaml, shown


def value(text):
    return load_yaml(text, "a.yaml")[0]


def refusal(text):
    with pytest.raises(SpecError) as caught:
        value(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("1_000_000", 1_000_000),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("1.5e+3", 1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0.25", -0.25),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("# only a comment", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("''", ""),
        ("lenet", "lenet"),
        ("|\n two\n lines\n", "two\nlines\n"),
    ],
)
def test_plain_words_are_read_as_in_yaml_1_2(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_not_a_number_is_a_number():
    assert math.isnan(value(".nan"))


@pytest.mark.parametrize(
    "text",
    [
        "1:30",
        "190:20:30",
        "010",
        "-07",
        "0x1F",
        "0b101",
        "0o17",
        "1__0",
        "1_",
        "2024-01-01",
        "2024-01-01 10:00:00",
        "yes",
        "no",
        "on",
        "Off",
        "y",
        "=",
        "e5",
        "1e",
        ".",
        "1.2.3",
        "nan",
        "inf",
    ],
)
def test_what_other_readers_of_yaml_turn_into_something_else_stays_text(text):
    assert value(text) == text


def test_every_value_has_its_line():
    _, places = load_yaml("# a comment\na: 1\nb:\n  c: [1,\n   2]\n  d:\n    - x\n    - {y: 3}\n", "a.yaml")
    assert places == {
        (): "a.yaml:2",
        ("a",): "a.yaml:2",
        ("b",): "a.yaml:3",
        ("b", "c"): "a.yaml:4",
        ("b", "c", 0): "a.yaml:4",
        ("b", "c", 1): "a.yaml:5",
        ("b", "d"): "a.yaml:6",
        ("b", "d", 0): "a.yaml:7",
        ("b", "d", 1): "a.yaml:8",
        ("b", "d", 1, "y"): "a.yaml:8",
    }


def test_keys_are_text_whatever_they_look_like():
    assert value("1: a\ntrue: b\n2024-01-01: c\n~: d\n'': e") == {
        "1": "a",
        "true": "b",
        "2024-01-01": "c",
        "~": "d",
        "": "e",
    }


def test_an_alias_is_a_value_of_its_own():
    found = value("a: &x [1]\nb: *x")
    assert found == {"a": [1], "b": [1]}
    assert found["a"] is not found["b"]


def test_a_merge_key_gives_way_to_the_mappings_own_keys():
    text = "base: &base {x: 1, y: 2}\nother: &other {y: 3, z: 4}\nuse:\n  y: 5\n  <<: [*base, *other]\n"
    found, places = load_yaml(text, "a.yaml")
    assert found["use"] == {"x": 1, "y": 5, "z": 4}
    assert (places["use",], places["use", "y"], places["use", "x"]) == ("a.yaml:3", "a.yaml:4", "a.yaml:1")
    assert value("a: &a {x: 1}\nb: &b {x: 2}\nc: {<<: [*a, *b]}")["c"] == {"x": 1}  # the earlier of a list
    assert value("'<<': {a: 1}") == {"<<": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "a.yaml:3: the key 'a' appears twice; keep one"),
        ("a: 1\n'a': 3", "a.yaml:2: the key 'a' appears twice; keep one"),
        ("1: 1\n'1': 3", "a.yaml:2: the key '1' appears twice; keep one"),
        ("? [a]\n: 1", "a.yaml:1: a key must be a word, not a list or a mapping; quote it if it is text"),
        ("\n? {a: 1}\n: 1", "a.yaml:2: a key must be a word, not a list or a mapping; quote it if it is text"),
        ("<<: 3", "a.yaml:1: the key '<<' merges a mapping or a list of mappings; write the keys themselves"),
        (
            "a: &a [1]\n<<: *a",
            "a.yaml:1: the key '<<' merges a mapping or a list of mappings; write the keys themselves",
        ),
        ('a: "\\a"', "a.yaml:1: '\\x07' contains a control character; leave it out"),
        ('a: "\\ud800"', "a.yaml:1: '\\ud800' contains a control character; leave it out"),
        ('a: 1\n"\\e[2J": 1', "a.yaml:2: the key '\\x1b[2J' contains a control character; leave it out"),
        ("a: 1\nb: \x00", "a.yaml:2: contains a control character; give a text file"),
        (f"a: {'9' * 5000}", "a.yaml:1: a number of 5000 digits is too long; correct it"),
    ],
)
def test_refusals(text, message):
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: [1, 2", 1, "expected ',' or ']'"),
        ("a: 1\nb: {c: 1\nd: 2}", 3, "expected ',' or '}'"),
        ("a: 1\n b: 2", 2, "mapping values are not allowed here"),
        ("a: 1\n\tb: 2", 2, "cannot start any token"),
        ("a:\n  - 1\n b: 2", 3, "expected <block end>"),
        ('a: 1\nb: "x', 2, "found unexpected end of stream"),
        ("a: 1\nb: *c", 2, "found undefined alias 'c'"),
        ("a: 1\n---\nb: 2", 2, "expected a single document in the stream, but found another document"),
        ('a: 1\nb: "\\UFFFFFFFF"', 2, "no such character"),
        (f"%YAML {'9' * 5000}.1\n---\na: 1", 1, "no such character or version"),
        ("%YAML 3.0\n---\na: 1", 1, "incompatible YAML document"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line(text, line, problem):
    message = refusal(text)
    assert message.startswith(f"a.yaml:{line}: is not valid YAML: ")
    assert problem in message
    assert message.endswith("; check the indentation, colons, brackets and quotes there")


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [ls]",
        "a: !!python/name:os.system",
        "!!python/object/new:os.system [ls]: 1",
        "%TAG !e! tag:yaml.org,2002:python/\n---\na: !e!name:os.system",
        "a: !!int 3",
        "a: !!bool maybe",
        "a: !!set {x}",
        "a: !!timestamp x",
        "a: !!binary x",
        "a: !own 3",
        "a: ! 3",
        "a: &x !!str 3",
    ],
)
def test_a_tag_is_refused_and_never_followed(text):
    message = refusal(text)
    assert message.startswith(f"a.yaml:{text.count(chr(10)) + 1}: the tag ")
    assert message.endswith(" is not allowed: a spec contains only plain values; remove it")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "[1, " * 10_000,
        "{a: " * 10_000,
        "- " * 10_000,
        "? " * 10_000,
        "a: " + "[" * (MAX_DEPTH + 1),
        "a: &a [*a]",
        "&a [*a, *a]",
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "a: &a {<<: [*a, *a]}",
    ],
)
def test_what_is_too_deep_or_holds_itself_is_refused(text):
    assert (
        refusal(text)
        == f"a.yaml:1: is nested more than {MAX_DEPTH} levels deep, or contains itself; reduce the nesting"
    )


def bomb(first, form):
    """Each line holds ten times the line before it."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} " + form % ",".join([f"*a{n - 1}"] * 10) for n in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("text", [bomb("[x]", "[%s]"), bomb("{k: 1}", "{<<: [%s]}")], ids=["lists", "merges"])
def test_what_grows_beyond_all_measure_is_refused_at_once(text):
    assert f" contains more than {MAX_VALUES} values" in refusal(text)


def test_values_that_are_written_out_count_as_those_of_aliases_do(monkeypatch):
    monkeypatch.setattr(yaml_loader, "MAX_VALUES", 1000)
    assert value("[" + "1," * 998 + "1]") == [1] * 999
    assert " contains more than 1000 values" in refusal("[" + "1," * 1000 + "1]")


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (None, "empty"),
        (True, "true"),
        ([], "an empty list"),
        ([1], "a list"),
        ({}, "an empty mapping"),
        (1.5, "1.5"),
        ("x" * 100, f"'{'x' * 56}..."),
        ("a\nb", r"'a\nb'"),
    ],
)
def test_a_message_shows_a_value_briefly(thing, text):
    assert shown(thing) == text


def file_refusal(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        read_document(path)
    return str(caught.value).removeprefix(f"{path}: ").removesuffix("; give the path of an experiment's YAML file")


def test_a_file_that_is_none_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.yaml"
    assert file_refusal(path) == "there is no such spec file"
    assert file_refusal(tmp_path) == "is a folder"
    assert file_refusal(Path("/dev/zero")) == "cannot be read (not a regular file)"
    assert file_refusal(tmp_path / ("a" * 300)) == "cannot be read (File name too long)"
    path.write_text("a: 1")
    assert file_refusal(path / "b.yaml") == "there is no such spec file"

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("lrbench.spec.document.open_regular", denied)  # taking rights away does not stop root
    assert file_refusal(path) == "cannot be read (Permission denied)"


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert file_refusal(path) == "is not a text file in UTF-8"
    path.write_bytes("a: 1".encode("utf-16"))
    assert file_refusal(path) == "is not a text file in UTF-8"
    with path.open("wb") as file:
        file.truncate(1 << 32)
    assert file_refusal(path) == f"is larger than {MAX_BYTES} bytes"


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read_document(path)
    assert document.value == {"a": 1, "b": 2}
    assert document.where(("b",)) == f"{path}:2"


def test_a_place_that_is_unknown_is_that_around_it(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a:\n  b: [1, 2]\n")
    document = read_document(path)
    assert document.where(("a", "b", 7, "c")) == f"{path}:2"
    assert document.where(("x",)) == f"{path}:1"
    document.moved(("a", "b"), "elsewhere")
    assert document.where(("a", "b", 0)) == "elsewhere"
    assert document.where(("a",)) == f"{path}:1"
