"""The build of Caffe with CUDA: its commands, what it changes in the source, and that a failure leaves nothing half."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lrbench.api.environment import home
from lrbench.engines.caffe.archive import pack
from lrbench.engines.caffe.cuda import build as build_module
from lrbench.engines.caffe.cuda import installing
from lrbench.engines.caffe.cuda.build import (
    CHANGES,
    SOURCE,
    CudaOptions,
    apply_changes,
    build,
    fetch_tree,
    make_links_relative,
    remove_development_part,
    unpack_source,
)
from lrbench.engines.caffe.cuda.compiling import (
    GCC,
    PROGRAMS,
    Build,
    Command,
    compile_command,
    link_commands,
    object_file,
    protocol_commands,
    run_all,
    source_files,
    write_programs,
)
from lrbench.engines.caffe.cuda.installing import build_tree, unpack_tree
from lrbench.engines.caffe.cuda.toolkit import Toolkit, own_toolkits, packaged_toolkit, read_toolkit, toolkit_folder
from lrbench.engines.caffe.gpu import CUDA_RECORD, CudaBuild
from lrbench.engines.caffe.install import install
from lrbench.errors import EngineUnavailable, UsageError

SOURCES = (
    "src/caffe/net.cpp",
    "src/caffe/layer_factory.cpp",
    "src/caffe/layers/relu_layer.cpp",
    "src/caffe/layers/relu_layer.cu",
    "src/caffe/layers/cudnn_relu_layer.cu",
    "src/caffe/test/test_net.cpp",
    "src/gtest/gtest-all.cpp",
    "src/caffe/proto/caffe.proto",
    "tools/caffe.cpp",
    "python/caffe/_caffe.cpp",
)


def silent(*_: object) -> None:
    """No progress is shown."""


@pytest.fixture
def planned(tmp_path: Path) -> Build:
    """A build whose source is empty files and whose toolkit is but names."""
    tree, source = tmp_path / "tree", tmp_path / "source"
    for name in SOURCES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    (tree / "lib/x86_64-linux-gnu").mkdir(parents=True)
    (tree / "lib/x86_64-linux-gnu/ld-2.31.so").touch()
    cuda = Path("/cuda")
    toolkit = Toolkit(
        cuda / "bin/nvcc",
        (13, 0),
        (cuda / "include", cuda / "include/cccl"),
        tuple(cuda / f"lib/{name}" for name in ("libcublas.so.13", "libcurand.so.10", "libcudart.so.13")),
    )
    return Build(tree, source, tmp_path / "work", toolkit, (75, 90))


def test_tests_and_cudnns_layers_are_left_out(planned):
    assert [str(path.relative_to(planned.source)) for path in source_files(planned.source)] == [
        "src/caffe/layer_factory.cpp",
        "src/caffe/layers/relu_layer.cpp",
        "src/caffe/layers/relu_layer.cu",
        "src/caffe/net.cpp",
    ]


def test_cuda_files_are_compiled_once_for_all_architectures(planned):
    command = compile_command(planned, planned.source / "src/caffe/layers/relu_layer.cu").arguments
    assert command[0] == "/cuda/bin/nvcc"
    assert command[command.index("-ccbin") + 1] == str(planned.wrapped / "g++")
    assert command.count("-gencode") == 1
    assert command[command.index("-gencode") + 1] == "arch=compute_75,code=[sm_75,sm_90,compute_75]"
    assert "-std=c++17" in command


def test_c_files_go_to_the_trees_own_compiler_with_debians_choices(planned):
    for name in ("net.cpp", "layer_factory.cpp"):
        command = compile_command(planned, planned.source / "src/caffe" / name).arguments
        assert command[0] == str(planned.wrapped / "g++")
        assert {"-DUSE_LMDB", "-DUSE_LEVELDB", "-DUSE_HDF5", "-DUSE_OPENCV", "-DNDEBUG", "-fPIC", "-O2"} <= set(command)
        assert not any("CPU_ONLY" in word or "CUDNN" in word for word in command)
        assert ("-DWITH_PYTHON_LAYER" in command) == (name == "layer_factory.cpp")
        assert "-I/cuda/include/cccl" in command


def test_objects_of_one_name_in_two_languages_are_two_files(planned):
    layers = planned.source / "src/caffe/layers"
    assert object_file(planned, layers / "relu_layer.cpp") != object_file(planned, layers / "relu_layer.cu")


def test_the_library_is_linked_before_what_needs_it_and_against_cuda_by_full_path(planned):
    objects = [object_file(planned, file) for file in source_files(planned.source)]
    (library,), (tool, module) = link_commands(planned, objects)
    assert "-Wl,-soname,libcaffe.so.1.0.0" in library.arguments
    assert {str(path) for path in objects} <= set(library.arguments)
    for command in (library, tool, module):
        assert "/cuda/lib/libcublas.so.13" in command.arguments
        assert "-Wl,-rpath-link,/cuda/lib" in command.arguments
    for command in (tool, module):
        assert str(planned.library) in command.arguments
    assert "-shared" in module.arguments
    assert "-shared" not in tool.arguments


def test_every_program_is_started_through_the_trees_loader(planned):
    write_programs(planned)
    assert {path.name for path in planned.wrapped.iterdir()} == set(PROGRAMS)
    text = (planned.wrapped / "g++").read_text()
    assert f"exec {planned.tree}/lib/x86_64-linux-gnu/ld-2.31.so --library-path " in text
    assert f"-B {planned.wrapped}/ --sysroot={planned.tree}" in text
    assert f"{planned.tree}/{GCC}/cc1plus" in (planned.wrapped / "cc1plus").read_text()
    (protocol,) = protocol_commands(planned)
    assert protocol.arguments[0] == str(planned.wrapped / "protoc")


def write_source(folder: Path) -> None:
    """Files that hold the texts that are changed, each once."""
    for name, changes in CHANGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("// first\n" + "// between\n".join(old for old, _ in changes) + "// last\n")


def test_each_change_is_made_once(tmp_path):
    write_source(tmp_path)
    apply_changes(tmp_path)
    thread = (tmp_path / "src/caffe/internal_thread.cpp").read_text()
    assert "  if (mode == Caffe::GPU) CUDA_CHECK(cudaSetDevice(device));\n" in thread
    assert "thrust" not in (tmp_path / "src/caffe/util/math_functions.cu").read_text()
    assert "clockRate" not in (tmp_path / "src/caffe/common.cpp").read_text()


@pytest.mark.parametrize("text", ["", "  CUDA_CHECK(cudaGetDevice(&device));\n" * 2])
def test_a_source_that_is_another_is_refused(tmp_path, text):
    write_source(tmp_path)
    (tmp_path / "src/caffe/internal_thread.cpp").write_text(text)
    said = r"^src/caffe/internal_thread\.cpp: this source of Caffe is another than LRBench knows: .* occurs "
    with pytest.raises(EngineUnavailable, match=f"{said}{2 if text else 0} times in it"):
        apply_changes(tmp_path)


def test_absolute_links_are_made_to_point_into_the_tree(tmp_path):
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/ld.so").touch()
    (tmp_path / "lib64/ld.so").symlink_to("/lib/ld.so")
    (tmp_path / "lib64/relative").symlink_to("ld.so")
    make_links_relative(tmp_path)
    assert os.readlink(tmp_path / "lib64/ld.so") == "../lib/ld.so"
    assert os.readlink(tmp_path / "lib64/relative") == "ld.so"


def test_the_compiler_and_the_headers_go_in_the_end(tmp_path):
    for name in (
        "usr/include/a.h",
        "usr/lib/gcc/x/cc1plus",
        "usr/lib/libz.a",
        "usr/bin/x86_64-linux-gnu-ld",
        "usr/lib/libz.so.1",
        "usr/bin/caffe",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_development_part(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "usr/bin/caffe",
        "usr/lib/libz.so.1",
    ]


def test_a_command_that_fails_is_named_with_the_first_error_and_stops_the_rest(tmp_path):
    log, error = tmp_path / "log", "bad.cu:3: fatal error: cublas_v2.h: No such file"
    commands = [
        Command("good.cpp", ("true",)),
        Command("bad.cu", ("sh", "-c", f"echo note; echo '{error}'; exit 1")),
        *[Command(f"{number}.cpp", ("touch", str(tmp_path / f"made{number}"))) for number in range(50)],
    ]
    with pytest.raises(EngineUnavailable) as failure:
        run_all(commands, 1, log, silent, "compiling")
    assert str(failure.value).startswith(f"{log}: bad.cu cannot be built: {error}; see the log")
    assert "$ sh -c" in log.read_text()
    assert not (tmp_path / "made49").exists()


@pytest.fixture
def options(tmp_path: Path) -> CudaOptions:
    """Options of a build in an empty data folder, on a machine without a toolkit of its own."""
    return CudaOptions(tmp_path / "home", {"PATH": str(tmp_path)})


@pytest.fixture
def no_own_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "own_toolkits", lambda variables: [])


def test_nothing_is_downloaded_until_the_licence_is_accepted(options, no_own_toolkit):
    said = (
        r"is proprietary: NVIDIA's CUDA Toolkit End User License Agreement governs it; "
        r"read it at .* and add --accept-nvidia-license, or name a toolkit"
    )
    with pytest.raises(UsageError, match=said):
        install(
            options.home / "caffe-cuda", lambda folder: build_tree(folder, options, silent), force=False, log=silent
        )
    assert [path.name for path in options.home.iterdir()] == ["caffe-cuda.lock"]


def failing_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException) -> Callable[[Path], None]:
    """A build whose packages are unpacked, and which then fails."""

    def fetch(folder: Path, mirror: str | None, progress: object) -> None:
        (folder / "usr/bin").mkdir(parents=True)
        (folder / "usr/bin/caffe").write_text("CPU")

    def fail(tree: Path, folder: Path) -> None:
        raise error

    monkeypatch.setattr(build_module, "fetch_tree", fetch)
    monkeypatch.setattr(build_module, "unpack_source", fail)
    toolkit = Toolkit(Path("/cuda/bin/nvcc"), (13, 0), (), ())
    return lambda folder: build(folder, toolkit, (80,), CudaOptions(tmp_path, {}), silent)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), EngineUnavailable),
        (EngineUnavailable("softmax_layer.cu cannot be built: error"), EngineUnavailable),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_build_that_fails_leaves_no_half_tree_and_what_was_there(tmp_path, monkeypatch, error, raised):
    root = tmp_path / "caffe-cuda"
    root.mkdir()
    (root / "kept").touch()
    failing = failing_build(monkeypatch, tmp_path, error)
    with pytest.raises(raised):
        install(root, failing, force=True, log=silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["caffe-cuda", "caffe-cuda.lock"]
    assert [path.name for path in root.iterdir()] == ["kept"]


KILLED = """
import sys, time
from pathlib import Path
from lrbench.engines.caffe.install import install
def unpack(folder):
    (folder / "usr").mkdir(parents=True)
    print("unpacked", flush=True)
    time.sleep(600)
install(Path(sys.argv[1]), unpack, force=False, log=lambda text: None)
"""


def test_what_a_killed_build_left_is_never_used_and_removed_by_the_next(tmp_path):
    root = tmp_path / "caffe-cuda"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"unpacked\n"
        process.send_signal(signal.SIGKILL)
    assert not root.exists()
    assert root.with_name("caffe-cuda.partial").exists()

    def fail(folder: Path) -> None:
        assert not folder.exists()
        raise EngineUnavailable("no more")

    with pytest.raises(EngineUnavailable, match="no more"):
        install(root, fail, force=False, log=silent)
    assert [path.name for path in tmp_path.iterdir()] == ["caffe-cuda.lock"]


def test_an_archive_of_a_cpu_build_is_refused_with_cuda(options, tmp_path, monkeypatch):
    monkeypatch.setattr(installing, "unpack", lambda archive, folder, sha256: folder.mkdir())
    with pytest.raises(UsageError, match=r"^caffe\.tar\.gz: holds a Caffe for the CPU; leave --cuda out"):
        unpack_tree(tmp_path / "tree", Path("caffe.tar.gz"), None, options, silent)


def test_an_archive_of_a_cuda_build_is_refused_without_cuda(tmp_path):
    record = tmp_path / "tree" / CUDA_RECORD
    record.parent.mkdir(parents=True)
    record.write_text(CudaBuild(version="13.0", architectures=(90,), needs=()).model_dump_json())
    pack(tmp_path / "tree", tmp_path / "caffe.tar.gz")
    answer = command_line(tmp_path / "home", "--from", str(tmp_path / "caffe.tar.gz"))
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1] == f"error: {tmp_path / 'caffe.tar.gz'}: holds a Caffe for GPUs; add --cuda"
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["caffe.lock"]


def test_an_unpacked_build_takes_the_libraries_of_the_toolkit_that_is_named(options, tmp_path, monkeypatch):
    def unpack(archive: Path, folder: Path, sha256: str | None) -> None:
        (folder / CUDA_RECORD).parent.mkdir(parents=True)
        record = CudaBuild(version="13.0", architectures=(90,), needs=("libcublas.so.13", "libcurand.so.10"))
        (folder / CUDA_RECORD).write_text(record.model_dump_json(exclude={"libraries"}))

    monkeypatch.setattr(installing, "unpack", unpack)
    libraries = tmp_path / "cu13/lib"
    libraries.mkdir(parents=True)
    named = CudaOptions(options.home, options.variables, toolkit=tmp_path / "cu13")
    for name in ("libcublas.so.13", "libcublasLt.so.13"):
        (libraries / name).touch()
    with pytest.raises(UsageError, match=r"it has no libcurand\.so"):
        unpack_tree(tmp_path / "first", Path("a"), None, named, silent)
    (libraries / "libcurand.so.10").touch()
    assert unpack_tree(tmp_path / "second", Path("a"), None, named, silent) == (libraries,)


def command_line(home_folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lrbench", "caffe", "install", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LRBENCH_HOME": str(home_folder)},
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--toolkit", "cuda"), "--toolkit applies only to a GPU build; add --cuda, or leave it out"),
        (("--accept-nvidia-license",), "--accept-nvidia-license applies only to a GPU build"),
        (("--arch", "80"), "--arch applies only to a GPU build; add --cuda, or leave it out"),
        (
            ("--cuda", "--from", "caffe.tar.gz", "-j", "2"),
            "--jobs applies only to compiling, and --from unpacks a compiled archive",
        ),
        (("--cuda", "--arch", "8.0"), "'8.0' is not a list of compute capabilities without the dot, such as 80,90"),
        (
            ("--cuda", "--toolkit", "no-such-folder"),
            "no-such-folder: no such folder; name the folder of a whole CUDA toolkit",
        ),
    ],
)
def test_bad_arguments_get_one_line_and_nothing_is_made(tmp_path, arguments, said):
    answer = command_line(tmp_path / "home", *arguments)
    assert answer.returncode == 2
    assert said in answer.stderr.replace("\n", " ")
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "home/caffe-cuda").exists()


def a_toolkit() -> Toolkit:
    """A toolkit that is on this machine; the test is skipped where there is none."""
    for folder in (toolkit_folder(packaged_toolkit(home())), *own_toolkits(os.environ)):
        try:
            return read_toolkit(folder)
        except UsageError:
            continue
    pytest.skip("there is no CUDA toolkit here; type: lrbench caffe install --cuda --accept-nvidia-license")


@pytest.mark.caffe
@pytest.mark.timeout(900)
def test_the_trees_compiler_and_nvcc_compile_caffes_own_files(tmp_path):
    toolkit = a_toolkit()
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    tree = tmp_path / "tree"
    fetch_tree(tree, None, silent)
    made = Build(tree, tmp_path / "source", tmp_path / "work", toolkit, toolkit.architectures()[-1:])
    unpack_source(tree, made.source)
    assert not (tree / SOURCE).exists()
    write_programs(made)
    for part in ("objects", "include/caffe/proto"):
        (made.work / part).mkdir(parents=True)
    log = tmp_path / "log"
    run_all(protocol_commands(made), 1, log, silent, "")
    caffe = made.source / "src/caffe"
    files = [
        caffe / "layers/softmax_layer.cu",
        caffe / "util/math_functions.cu",
        caffe / "internal_thread.cpp",
        caffe / "util/io.cpp",
    ]
    run_all([compile_command(made, file) for file in files], 2, log, silent, "")
    for file in files:
        assert object_file(made, file).read_bytes()[:4] == b"\x7fELF"
    broken = caffe / "layers/broken.cu"
    broken.write_text('#include "caffe/no_such_header.hpp"\n')
    with pytest.raises(EngineUnavailable, match=r"broken\.cu cannot be built: .*no_such_header\.hpp"):
        run_all([compile_command(made, broken)], 1, log, silent, "")
