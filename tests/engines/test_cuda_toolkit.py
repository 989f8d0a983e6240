"""CUDA toolkits, this machine's fitness for a build, and whether a build fits a driver: looked at before any work."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from lrbench.api.environment import home
from lrbench.engines.caffe import gpu
from lrbench.engines.caffe.cuda import toolkit as toolkit_module
from lrbench.engines.caffe.cuda.installing import check_driver, check_machine, choose_architectures
from lrbench.engines.caffe.cuda.toolkit import (
    PACKAGED_ARCHITECTURES,
    PACKAGED_VERSION,
    fetch_toolkit,
    find_libraries,
    own_toolkits,
    packaged_toolkit,
    read_toolkit,
    shared_name,
    toolkit_folder,
)
from lrbench.engines.caffe.gpu import CudaBuild, Driver, Gpu, meaning, misfit
from lrbench.errors import EngineUnavailable, UsageError

NVCC = """#!/bin/sh
case "$1" in
--version) echo "Cuda compilation tools, release 12.4, V12.4.131";;
--list-gpu-arch) printf 'compute_50\\ncompute_80\\ncompute_90\\n';;
esac
"""
FILES = (
    "include/cuda_runtime.h",
    "include/cublas_v2.h",
    "include/curand.h",
    "include/curand_kernel.h",
    "lib64/libcublas.so.12.4.5",
    "lib64/libcublasLt.so.12.4.5",
    "lib64/libcurand.so.10.3.5",
    "lib64/libcudart.so.12.4.127",
)
H200 = Driver((13, 0), (Gpu("NVIDIA H200", 90),))


@pytest.fixture
def toolkit(tmp_path: Path) -> Path:
    """A toolkit's folder: a compiler that tells its version, headers and libraries without content."""
    folder = tmp_path / "cuda"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "bin").mkdir()
    (folder / "bin/nvcc").write_text(NVCC)
    (folder / "bin/nvcc").chmod(0o755)
    return folder


def test_a_whole_toolkit_is_read(toolkit):
    found = read_toolkit(toolkit)
    assert found.version == (12, 4)
    assert found.standard == "c++14"
    assert found.architectures() == (50, 80, 90)
    assert found.library_folders == (toolkit / "lib64",)
    assert [shared_name(library) for library in found.libraries] == [
        "libcublas.so.12",
        "libcurand.so.10",
        "libcudart.so.12",
    ]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("bin/nvcc", "it has no bin/nvcc"),
        ("include/cublas_v2.h", "it has nvcc, but no cublas_v2.h"),
        ("include/curand.h", "it has nvcc, but no curand.h"),
        ("lib64/libcublas.so.12.4.5", "it has no libcublas.so"),
        ("lib64/libcublasLt.so.12.4.5", "it has libcublas.so, but no libcublasLt.so beside it"),
        ("lib64/libcudart.so.12.4.127", "it has no libcudart.so"),
    ],
)
def test_a_toolkit_that_lacks_a_part_is_refused_with_its_name(toolkit, missing, said):
    (toolkit / missing).unlink()
    with pytest.raises(UsageError, match=rf"^{toolkit}: {said}; name the folder of a whole CUDA toolkit"):
        read_toolkit(toolkit)


def test_headers_among_the_systems_are_refused(toolkit):
    shutil.rmtree(toolkit / "include")
    (toolkit / "include").symlink_to("/usr/include")
    with pytest.raises(UsageError, match="its headers lie among the system's"):
        read_toolkit(toolkit)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        read_toolkit(tmp_path / "none")


def test_own_toolkits_are_found_by_a_variable_the_path_and_the_usual_place(toolkit, tmp_path, monkeypatch):
    monkeypatch.setattr(toolkit_module, "USUAL_FOLDER", tmp_path / "usual")
    assert own_toolkits({"CUDA_HOME": str(toolkit), "PATH": ""}) == [toolkit]
    assert own_toolkits({"PATH": str(toolkit / "bin")}) == [toolkit]
    assert own_toolkits({"CUDA_HOME": str(tmp_path), "PATH": str(tmp_path)}) == []
    (tmp_path / "usual").symlink_to(toolkit)
    assert own_toolkits({"PATH": str(toolkit / "bin")}) == [toolkit, tmp_path / "usual"]


def test_libraries_are_found_among_packages_for_python(tmp_path):
    for name in ("cublas/lib/libcublas.so.12", "cublas/lib/libcublasLt.so.12", "curand/lib/libcurand.so.10"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_libraries(tmp_path, {"cublas": "libcublas.so.12", "curand": "libcurand.so.10"})
    assert found == {
        "cublas": tmp_path / "cublas/lib/libcublas.so.12",
        "curand": tmp_path / "curand/lib/libcurand.so.10",
    }
    with pytest.raises(UsageError, match=r"it has no libcublas\.so"):
        find_libraries(tmp_path, {"cublas": "libcublas.so.13"})


def wheel(folder: Path) -> tuple[Path, str]:
    """A package like NVIDIA's, with one file; returns it and its SHA-256."""
    path = folder / "demo_cuda-1.0-py3-none-any.whl"
    content = b"a library"
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nvidia/cu13/lib/libdemo.so.13", content)
        archive.writestr("demo_cuda-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo-cuda\nVersion: 1.0\n")
        archive.writestr(
            "demo_cuda-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            "demo_cuda-1.0.dist-info/RECORD",
            f"nvidia/cu13/lib/libdemo.so.13,sha256={digest},{len(content)}\n"
            "demo_cuda-1.0.dist-info/METADATA,,\ndemo_cuda-1.0.dist-info/WHEEL,,\n"
            "demo_cuda-1.0.dist-info/RECORD,,\n",
        )
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.engines
def test_packages_are_installed_once_and_a_wrong_hash_leaves_nothing(tmp_path):
    path, digest = wheel(tmp_path)
    packages, log, place = tmp_path / "packages.txt", tmp_path / "log", tmp_path / "home"
    packages.write_text(f"{path.as_uri()} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(EngineUnavailable, match=r"pip could not install NVIDIA's CUDA packages: ERROR: .*HASHES"):
        fetch_toolkit(place, log, lambda *_: None, packages)
    assert [file.name for file in place.iterdir()] == [f"{packaged_toolkit(place).name}.lock"]
    assert digest in log.read_text()
    told: list[tuple[int, int, str]] = []
    packages.write_text(f"{path.as_uri()} --hash=sha256:{digest}\n")
    folder = fetch_toolkit(place, log, lambda *line: told.append(line), packages)
    assert (folder / "lib/libdemo.so.13").read_bytes() == b"a library"
    assert told[-1][0] == told[-1][1]
    packages.write_text("no requirement at all ???\n")
    assert fetch_toolkit(place, log, lambda *_: None, packages) == folder


def test_the_packaged_toolkit_is_what_the_preflight_says_of_it():
    folder = toolkit_folder(packaged_toolkit(home()))
    if not folder.is_dir():
        pytest.skip("NVIDIA's packages are not installed; type: lrbench caffe install --cuda --accept-nvidia-license")
    found = read_toolkit(folder)
    assert (found.version, found.architectures()) == (PACKAGED_VERSION, PACKAGED_ARCHITECTURES)


def test_a_full_disk_and_another_processor_are_refused_before_any_download(tmp_path, monkeypatch):
    place = tmp_path / "not/yet/there"
    check_machine(place, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2_500_000_000))
    check_machine(place, 0)
    with pytest.raises(EngineUnavailable, match=rf"^{tmp_path}: the build needs 3\.6 GB, and 2\.5 GB are free; free"):
        check_machine(place, 1_600_000_000)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(EngineUnavailable, match="is built for x86-64, and this machine is aarch64"):
        check_machine(place, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_toolkit_newer_than_the_driver_is_refused():
    check_driver((13, 0), None)
    check_driver((13, 0), H200)
    check_driver((12, 4), H200)
    said = (
        r"runs CUDA up to 12\.4, and the toolkit is CUDA 13\.0, which needs driver 580 or later; update the "
        "driver, or name a toolkit of CUDA 12 with"
    )
    with pytest.raises(EngineUnavailable, match=said):
        check_driver((13, 0), Driver((12, 4), (Gpu("Tesla T4", 75),)))


@pytest.mark.parametrize(
    ("named", "known", "driver", "chosen"),
    [
        ((), (75, 80, 90, 100), None, (75, 80, 90)),
        ((), (50, 60, 70), None, (70,)),
        ((90, 80, 90), (75, 80, 90), None, (80, 90)),
        ((), (75, 80, 90), H200, (90,)),
        ((), (75, 80), H200, (80,)),
        ((), (75, 80, 86, 90), Driver((13, 0), (Gpu("H200", 90), Gpu("A10", 86))), (86, 90)),
        ((80,), (75, 80, 90), H200, (80,)),
    ],
)
def test_architectures_are_those_named_else_the_gpus_else_the_usual_ones(named, known, driver, chosen):
    assert choose_architectures(named, known, (13, 0), driver) == chosen


def test_architectures_that_the_toolkit_does_not_know_are_refused():
    with pytest.raises(UsageError, match=r"--arch 60: CUDA 13\.0 compiles for 75, 80; choose among these"):
        choose_architectures((60, 80), (75, 80), (13, 0), None)
    said = r"a GPU here has architecture 61, and CUDA 13\.0 compiles for 75, 80; name"
    with pytest.raises(EngineUnavailable, match=said):
        choose_architectures((), (75, 80), (13, 0), Driver((13, 0), (Gpu("old", 61),)))


@pytest.fixture
def build(tmp_path: Path) -> CudaBuild:
    """A build whose library is there."""
    (tmp_path / "libcublas.so.13").touch()
    return CudaBuild(version="13.0", architectures=(80, 90), needs=("libcublas.so.13",), libraries=(tmp_path,))


@pytest.mark.parametrize(
    ("driver", "device_id", "said"),
    [
        (H200, 0, None),
        (Driver((13, 2), (Gpu("Blackwell", 100),)), 0, None),
        (Driver((13, 0), (Gpu("A10", 86),)), 0, None),
        (
            Driver((13, 0), (Gpu("Tesla T4", 75),)),
            0,
            "Tesla T4 has architecture 75, and this Caffe is built for 80, 90",
        ),
        (
            Driver((12, 4), (Gpu("A100", 80),)),
            0,
            "the driver here runs CUDA up to 12.4, and this Caffe is built with CUDA "
            "13.0, which needs driver 580 or later",
        ),
        (H200, 1, "there is no GPU 1: the driver offers 1, counted from 0"),
    ],
)
def test_what_does_not_fit_is_said_in_words(build, driver, device_id, said):
    assert misfit(build, driver, device_id) == said


def test_no_driver_and_no_gpu_are_told_apart(build, monkeypatch):
    monkeypatch.setattr(gpu, "driver_folder", lambda: None)
    assert misfit(build, None, 0) == "there is no NVIDIA driver here"
    monkeypatch.setattr(gpu, "driver_folder", lambda: Path("/usr/lib"))
    assert misfit(build, None, 0) == "the NVIDIA driver offers no GPU here (CUDA_VISIBLE_DEVICES may hide it)"


def test_a_library_that_is_gone_is_named(build, tmp_path):
    (tmp_path / "libcublas.so.13").unlink()
    assert misfit(build, H200, 0) == f"CUDA's library libcublas.so.13 is missing: it is not in {tmp_path}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "Check failed: error == cudaSuccess (35 vs. 0)  CUDA driver version is insufficient",
            "no NVIDIA driver here, or one that is too old",
        ),
        (
            "Check failed: error == cudaSuccess (209 vs. 0)  no kernel image is available",
            "no code for this GPU's architecture",
        ),
        ("Cannot use GPU in CPU-only Caffe: check mode.", "it is built for the CPU only"),
        ("Check failed: something else", "Check failed: something else"),
    ],
)
def test_caffes_fatal_lines_are_put_into_words(line, said):
    assert said in meaning(line)


def test_without_a_driver_a_run_on_a_gpu_is_refused_in_one_line(tmp_path):
    if subprocess.run(["sh", "-c", "command -v nvidia-smi"], capture_output=True, check=False).returncode == 0:
        pytest.skip("this machine has an NVIDIA driver")
    if not (home() / "caffe-cuda").is_dir():
        pytest.skip("Caffe is not installed with CUDA; type: lrbench caffe install --cuda")
    spec = tmp_path / "spec.yaml"
    workload = {
        "net": "lenet",
        "dataset": "digits",
        "batch_size": 64,
        "test_batch_size": 100,
        "iterations": 10,
        "test_interval": 10,
    }
    spec.write_text(json.dumps({"workload": workload, "solver": "SGD", "policies": ["FIX(k0=0.01)"]}))
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "lrbench",
            "run",
            str(spec),
            "--results",
            str(tmp_path / "results"),
            "--set",
            "engine.device=gpu",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert answer.stderr == (
        f"error: {home() / 'caffe-cuda'}: Caffe cannot use GPU 0: there is no NVIDIA driver here; "
        "see lrbench doctor and lrbench caffe install --cuda, or set engine.device to cpu\n"
    )
    assert not (tmp_path / "results").exists()
