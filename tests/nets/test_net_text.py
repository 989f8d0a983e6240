from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lrbench.errors import NetError, ResultsError
from lrbench.nets import NetParameter, SolverParameter, read_net, read_solver, write_message, write_text
from lrbench.nets.text import merge_whole_fields


def refusal(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(NetError) as caught:
        read_net(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.prototxt"


def test_a_net_is_read_with_its_comments_and_both_forms_of_a_message(path: Path) -> None:
    path.write_text('# mine\nname: "Größe"\nlayer: { name: "a" type: "ReLU" }\nlayer { name: "b" # here\n}\n', "utf-8")
    net = read_net(path)
    assert (net.name, [layer.name for layer in net.layer]) == ("Größe", ["a", "b"])


def test_a_byte_order_mark_is_no_part_of_the_net(path: Path) -> None:
    path.write_bytes(b'\xef\xbb\xbfname: "n"')
    assert read_net(path).name == "n"


def test_a_solver_is_read(path: Path) -> None:
    path.write_text('net: "n.prototxt" base_lr: 0.01 stepvalue: 5 stepvalue: 9 type: "Adam" solver_mode: CPU')
    solver = read_solver(path).known
    assert (solver.net, list(solver.stepvalue), solver.type) == ("n.prototxt", [5, 9], "Adam")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('name: "n"\nlayer {\n  nmae: "x"\n}', ':3: LayerParameter has no field "nmae"; did you mean name'),
        ("layer {\n kernel_size: 3 }", ':2: LayerParameter has no field "kernel_size"; it is a field of Conv'),
        ("xyzzy: 3", ':1: NetParameter has no field "xyzzy"'),
        (
            '\nlayers { name: "x" }',
            ":2: is written in Caffe's old form, \"layers { }\"; run Caffe's upgrade_net_proto_text on it",
        ),
        ("layer {\n  pooling_param { pool: MXA }\n}", ':2: Enum type "PoolingParameter.PoolMethod" has no value'),
        ('name: "a"\nname: "b"', ':2: Message type "NetParameter" should not have multiple "name" fields.'),
        ("layer {\n  name: 3\n}", ":2: Expected string but found: '3'"),
        ("layer {\n  convolution_param { num_output: -4 }\n}", ":2: Value out of range: -4"),
        ('layer {\n  name: "x"\n', 'Expected "}"'),
        ('name: "\\377"', "Couldn't parse string"),
        ("layer { clip_param { min: 1 } }", ": a clip_param needs both its min and its max"),
        ("[x.y] { }", "does not have extensions"),
    ],
)
def test_what_does_not_parse_is_refused_at_its_line(path: Path, content: str, message: str) -> None:
    refused = refusal(path, content)
    assert refused.startswith(f"{path}:")
    assert message in refused
    assert "\n" not in refused
    assert "lrbench.caffe" not in refused


def test_a_long_line_does_not_make_a_long_message(path: Path) -> None:
    assert len(refusal(path, f"input_dim: {'9' * 5000}")) < 200 + len(str(path)) + 20


def test_weights_given_for_a_net_are_refused(path: Path) -> None:
    assert "not a text file" in refusal(path, b"\x0a\x05LeNet\x00\x01")
    assert "not a text file in UTF-8" in refusal(path, 'name: "Größe"'.encode("latin-1"))


def test_a_huge_file_is_refused_before_it_is_parsed(path: Path) -> None:
    assert "larger than 16 MiB" in refusal(path, b"#" * (16 * 2**20 + 1))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetError, match=r"absent\.prototxt: no such file"):
        read_net(tmp_path / "absent.prototxt")
    with pytest.raises(NetError, match="is a folder"):
        read_net(tmp_path)
    with pytest.raises(NetError, match="cannot be read"):
        read_net(tmp_path / ("n" * 300))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NetError, match="not a regular file"):
        read_solver(tmp_path / "pipe")


def test_what_is_written_reads_back_as_the_same_message(path: Path) -> None:
    solver = SolverParameter(net="a b.prototxt", base_lr=0.1, gamma=5e-5, stepvalue=[1, 2], delta=1e-8)
    write_message(path, solver)
    assert read_solver(path).known == solver
    assert "base_lr: 0.1\n" in write_text(solver)


def test_the_header_is_written_as_comments(path: Path) -> None:
    write_message(path, NetParameter(name="n"), header='two\n\nlines: "x"')
    assert path.read_text() == '# two\n#\n# lines: "x"\nname: "n"\n'
    assert read_net(path) == NetParameter(name="n")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_message(path, NetParameter(name="old"))

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ResultsError, match="No space left on device"):
        write_message(path, NetParameter(name="new"))
    assert read_net(path).name == "old"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be written"):
        write_message(tmp_path / "absent" / "net.prototxt", NetParameter())


def test_a_written_file_is_as_readable_as_any_other(path: Path) -> None:
    write_message(path, NetParameter(name="n"))
    (other := path.with_name("other")).touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


@pytest.mark.parametrize("read", [read_net, read_solver])
@pytest.mark.parametrize("text", ["layer { " * 2000, "net_param { " * 2000 + "}" * 2000, "a < " * 2000])
def test_a_file_nested_without_end_is_one_line(path: Path, read: Callable[[Path], object], text: str) -> None:
    path.write_text(text)
    with pytest.raises(NetError) as caught:
        read(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "whole", "layers"),
    [
        ('name: "n"\nlayer { name: "a" }\nlayer {\n  name: "b{"\n}\n', True, ["a", "b{"]),
        ('name: "n"\nlayer { name: "a" }\nlayer {\n  name: "b"\n  typ', False, ["a"]),
        ('name: "n"\nlayer { name: "a" }\nlay', False, ["a"]),
        ('name: "n"\nof_a_fork { x: 1 }\nlayer { name: "a" of_a_fork: 2 }', True, ["a"]),
        ('name: "n"\nlayer { name: "a" }\nx {\n' + "a {\n" * 2000 + "}\n" * 2001 + 'layer { name: "b" }', False, ["a"]),
    ],
)
def test_the_whole_fields_of_what_a_log_repeats_are_read(text: str, whole: bool, layers: list[str]) -> None:
    net = NetParameter()
    assert merge_whole_fields(text, net) == whole
    assert (net.name, [layer.name for layer in net.layer]) == ("n", layers)
