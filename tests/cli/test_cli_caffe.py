"""``lrbench caffe`` and ``lrbench doctor``: what is there, what is broken, what to type."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from command_line import typed

from lrbench.api.environment import home
from lrbench.cli.doctor import _torch
from lrbench.data import prepare
from lrbench.engines.caffe import environment
from lrbench.engines.caffe.environment import MANIFEST, CaffeEnvironment
from lrbench.engines.caffe.gpu import CUDA_RECORD, CudaBuild
from lrbench.engines.caffe.install import from_mirror
from lrbench.errors import EngineUnavailable

pytestmark = pytest.mark.caffe


def lrbench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return typed(*arguments, variables=variables)


def wrapper(folder: Path, caffe: CaffeEnvironment, program: str) -> Path:
    """A program as a CUDA build on a server would have it: one file that starts Caffe's Python or tool."""
    command = caffe.command(caffe.python if program == "python" else caffe.tool or (), threads=1)
    path = folder / program
    path.write_text("#!/bin/sh\nexec " + " ".join(f"'{part}'" for part in command) + ' "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_doctor_says_what_works(caffe_environment):
    answer = lrbench("doctor")
    assert answer.returncode == 0
    assert "1.0.0" in answer.stdout
    assert "stepping driver: yes; native driver: yes" in answer.stdout
    assert "\nGPUs       Caffe " in answer.stdout


def test_doctor_says_which_library_of_a_cuda_build_is_missing(caffe_environment, own_home, tmp_path):
    """What LRBench knows of a build is a record beside the tree; here that of one whose libraries have gone."""
    (own_home / "caffe-cuda").mkdir()
    for part in (home() / "caffe").iterdir():
        (own_home / "caffe-cuda" / part.name).symlink_to(part)
    (own_home / "caffe-cuda" / MANIFEST).unlink()
    manifest = json.loads((home() / "caffe" / MANIFEST).read_text()) | {
        "cuda": {
            "version": "13.0",
            "architectures": [80, 90],
            "needs": ["libcublas.so.13"],
            "libraries": ["cuda-13.0/lib"],
        }
    }
    (own_home / "caffe-cuda" / MANIFEST).write_text(json.dumps(manifest))
    answer = lrbench("doctor", LRBENCH_HOME=str(own_home))
    assert answer.returncode == 0
    assert (
        f"GPUs       Caffe built with CUDA 13.0 for architectures 80, 90, {own_home / 'caffe-cuda'}\n           "
        f"GPU 0: no (CUDA's library libcublas.so.13 is missing: it is not in {own_home / 'cuda-13.0/lib'})"
    ) in answer.stdout.replace("GPU 0 (", "GPU 0: no (", 0)
    (own_home / "caffe-cuda" / MANIFEST).write_text('{"cuda": 13}')
    answer = lrbench("doctor", LRBENCH_HOME=str(own_home))
    said = f"GPUs       {own_home / 'caffe-cuda'}: the Caffe installed here is broken: {MANIFEST} is damaged"
    assert said in answer.stdout
    assert answer.stderr == ""
    spec = tmp_path / "trial.yaml"
    spec.write_text(
        "workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 100, iterations: 4,"
        " test_interval: 2}\nsolver: SGD\npolicies: [FIX(k0=0.01)]\n"
    )
    answer = lrbench("run", str(spec), "--results", str(tmp_path / "results"), LRBENCH_HOME=str(own_home))
    assert answer.returncode == 0, "a run on the CPU needs no CUDA build"


def test_a_python_of_the_users_serves_both_drivers(caffe_environment, tmp_path):
    python = wrapper(tmp_path, caffe_environment, "python")
    wrapper(tmp_path, caffe_environment, "caffe")
    answer = lrbench("doctor", LRBENCH_CAFFE=str(python))
    assert answer.returncode == 0, answer.stdout
    assert f"{python} (LRBENCH_CAFFE)" in answer.stdout
    spec = tmp_path / "trial.yaml"
    spec.write_text(
        "workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 100, iterations: 4,"
        " test_interval: 2}\nsolver: SGD\npolicies: [FIX(k0=0.01)]\n"
    )
    for driver in ("stepping", "native"):
        answer = lrbench(
            "run",
            str(spec),
            "--results",
            str(tmp_path / "results"),
            "--set",
            f"engine.driver={driver}",
            LRBENCH_CAFFE=str(python),
        )
        assert answer.returncode == 0, answer.stderr
        assert "1 run: 1 finished" in answer.stderr


def test_a_broken_caffe_is_named_with_the_remedy(tmp_path):
    root = tmp_path / "caffe"
    (root / "lib/x86_64-linux-gnu").mkdir(parents=True)
    (root / MANIFEST).write_text("{}")
    answer = lrbench("doctor", LRBENCH_HOME=str(tmp_path))
    assert answer.returncode == 2
    assert "its loader is missing; type: lrbench caffe install --force" in answer.stdout
    loader = root / "lib/x86_64-linux-gnu/ld-2.31.so"
    shutil.copy("/bin/false", loader)
    answer = lrbench("doctor", LRBENCH_HOME=str(tmp_path))
    assert answer.returncode == 2
    assert "Caffe does not start" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


SILENT = "#!/bin/sh\nexit 0\n"
TALKATIVE = "#!/bin/sh\necho '[1]'\n"
NO_PROGRAM = "just text\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SILENT, "is no Python that imports caffe: asked for its version, it printed ''"),
        (TALKATIVE, "is no Python that imports caffe: asked for its version, it printed '[1]'"),
        ("#!/bin/sh\necho '{\"version\": 1}'\n", "is no Python that imports caffe"),
        ("#!/bin/sh\nprintf 'no caffe\\033[31m here\\n' >&2\nexit 3\n", "Caffe does not start: no caffe[31m here"),
        (NO_PROGRAM, "Caffe does not start: Exec format error"),
        ("#!/no/such/interpreter\n", "Caffe does not start: No such file or directory"),
    ],
)
def test_a_program_that_is_no_caffe_is_named_in_one_line(tmp_path, content, said):
    program = tmp_path / f"python{len(content)}"  # a path is asked once in a process, and pytest uses folders again
    program.write_text(content)
    program.chmod(0o755)
    answer = lrbench("doctor", LRBENCH_CAFFE=str(program))
    assert (answer.returncode, answer.stderr) == (2, "")
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("Caffe")]
    assert line.startswith(f"Caffe      absent or broken: {program}: {said}")
    assert line.endswith("let LRBENCH_CAFFE name a working Python")
    assert answer.stdout.splitlines()[-1].startswith("PyTorch")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("kill -KILL $$", "Caffe does not start: its process was ended by SIGKILL; try again; if it happens again"),
        (
            "echo loading >&2; kill -XCPU $$",
            "Caffe does not start: its process was ended by SIGXCPU (loading); try again",
        ),
        ("kill -36 $$", "Caffe does not start: its process was ended by signal 36; try again; "),
        (
            "kill -SEGV $$",
            "Caffe does not start: its process was ended by SIGSEGV; type: lrbench caffe install --force",
        ),
        ("echo MemoryError >&2; exit 1", "Caffe does not start: MemoryError; it had too little memory: free some, or"),
        (
            "echo 'x.so: failed to map segment from shared object' >&2; exit 127",
            "Caffe does not start: x.so: failed to map "
            "segment from shared object; it had too little memory: free some, or raise",
        ),
    ],
)
def test_a_probe_that_is_ended_says_by_what(tmp_path, content, said):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{content}\n")
    program.chmod(0o755)
    answer = lrbench("doctor", LRBENCH_CAFFE=str(program))
    assert (answer.returncode, answer.stderr) == (2, "")
    assert f"Caffe      absent or broken: {program}: {said}" in answer.stdout


def test_a_caffe_under_a_memory_limit_says_so(caffe_environment, tmp_path):
    command = caffe_environment.command(caffe_environment.python, 1)
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nulimit -v 200000\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
    answer = lrbench("doctor", LRBENCH_CAFFE=str(program))
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("Caffe")]
    assert "too little memory" in line
    assert "install --force" not in line


def test_a_caffe_that_never_answers_is_given_up(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(environment, "PROBE_SECONDS", 0.1)
    with pytest.raises(EngineUnavailable, match=r"no answer within 0\.1 s; type: "):
        environment.find_environment(tmp_path, str(program))


def test_doctor_goes_on_after_each_part_that_is_wrong(own_home, tmp_path):
    folder = prepare("digits", own_home).folder
    os.truncate(folder / "test_lmdb/data.mdb", 4096)
    answer = lrbench("doctor", LRBENCH_DATA=str(tmp_path / "none"))
    assert (answer.returncode, answer.stderr) == (2, "")
    lines = answer.stdout.splitlines()
    assert f"LRBENCH_DATA   LRBENCH_DATA: {tmp_path / 'none'} is not a folder; correct or unset it" in lines
    assert "data       mnist: not prepared; type: lrbench data prepare mnist" in lines
    (line,) = [line for line in lines if line.startswith("data       digits")]
    assert line.startswith(f"data       digits: {folder}: test_lmdb/data.mdb has 4096 bytes, not ")
    assert line.endswith("; make it anew with: lrbench data prepare digits")
    assert "           stepping driver: yes; native driver: yes" in lines
    assert lrbench("data", "prepare", "digits").returncode == 0
    assert lrbench("doctor").returncode == 0


def test_doctor_knows_pytorch_without_loading_it(tmp_path):
    (tmp_path / "torch-9.8.7.dist-info").mkdir()
    (tmp_path / "torch-9.8.7.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.8.7\n")
    (tmp_path / "torch.py").write_text("raise SystemExit('loaded')\n")
    answer = subprocess.run(
        [sys.executable, "-m", "lrbench", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LRBENCH_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)},
    )
    assert "PyTorch    9.8.7, selected by: lrbench run --engine torch\n" in answer.stdout


def test_doctor_says_what_to_type_for_pytorch(monkeypatch):
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    assert _torch() == "not installed, and not needed for Caffe; type: pip install 'lrbench[torch]'"


def test_a_dry_run_on_damaged_data_says_to_prepare_them_again(own_home, tmp_path):
    folder = prepare("digits", own_home).folder
    os.truncate(folder / "train_lmdb/data.mdb", 8192)
    spec = tmp_path / "trial.yaml"
    spec.write_text(
        "workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 100, iterations: 4,"
        " test_interval: 2}\nsolver: SGD\npolicies: [FIX(k0=0.01)]\n"
    )
    answer = lrbench("run", str(spec), "--dry-run", "--results", str(tmp_path / "results"))
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert answer.stderr.startswith(f"error: {spec}:1: {folder}: train_lmdb/data.mdb has 8192 bytes, not ")
    assert answer.stderr.endswith("; make it anew with: lrbench data prepare digits\n")


def test_a_dry_run_for_a_gpu_that_this_caffe_cannot_use(own_home, tmp_path):
    prepare("digits", own_home)
    spec = tmp_path / "trial.yaml"
    spec.write_text(
        "workload: {net: lenet, dataset: digits, batch_size: 10, test_batch_size: 100, iterations: 4,"
        " test_interval: 2}\nsolver: SGD\nengine: {device: gpu}\npolicies: [FIX(k0=0.01)]\n"
    )
    python = wrapper(tmp_path, environment.find_environment(own_home, os.environ.get("LRBENCH_CAFFE")), "python")
    text = python.read_text()
    python.write_text(text.replace("exec ", 'case "$*" in *--probe-gpu*) echo "no GPU here" >&2; exit 1;; esac\nexec '))
    answer = lrbench("run", str(spec), "--dry-run", "--results", str(tmp_path / "results"), LRBENCH_CAFFE=str(python))
    assert answer.returncode == 0
    assert answer.stdout.startswith("   1  pending    FIX(k0=0.01)")
    assert answer.stderr.startswith("1 of 1 runs to do; no estimate: the engine cannot start on this machine: ")
    assert "Caffe cannot use GPU 0: no GPU here; see lrbench doctor and lrbench caffe install --cuda" in answer.stderr


def test_nothing_installed_is_said_in_one_line(tmp_path):
    answer = lrbench("doctor", LRBENCH_HOME=str(tmp_path))
    assert answer.returncode == 2
    assert "Caffe is not installed; type: lrbench caffe install" in answer.stdout


@pytest.mark.skipif("LRBENCH_CAFFE" in os.environ, reason="another Caffe is in use than the installed one")
def test_installing_again_does_nothing(caffe_environment):
    answer = lrbench("caffe", "install")
    assert answer.returncode == 0
    assert answer.stderr == f"Caffe is already installed in {home() / 'caffe'}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--arch", "120"], "{root}: is built for GPU architecture 75, 80, not for 120; add --force to build it again"),
        (["--arch", "80,120"], "{root}: is built for GPU architecture 75, 80, not for 120; add --force"),
        (["--toolkit", "/no/such/toolkit"], "/no/such/toolkit: "),
        (["--from", "/no/such/file"], "/no/such/file: no such file; name an archive that lrbench caffe pack wrote"),
    ],
)
def test_what_an_installed_gpu_build_does_not_have_is_refused(tmp_path, options, message):
    record = tmp_path / "caffe-cuda" / CUDA_RECORD
    record.parent.mkdir(parents=True)
    record.write_text(CudaBuild(version="13.0", architectures=(75, 80), needs=()).model_dump_json())
    answer = lrbench("caffe", "install", "--cuda", *options, LRBENCH_HOME=str(tmp_path))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: " + message.format(root=tmp_path / "caffe-cuda"))
    assert answer.stderr.count("\n") == 1


def test_without_mmdebstrap_the_line_says_what_to_type(tmp_path):
    answer = lrbench("caffe", "install", LRBENCH_HOME=str(tmp_path), PATH=str(tmp_path))
    assert answer.returncode == 2
    assert "sudo apt-get install mmdebstrap" in answer.stderr
    assert not (tmp_path / "caffe").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    answer = lrbench("caffe", "install", LRBENCH_HOME=str(tmp_path / "file/home"))
    assert answer.returncode == 2
    assert answer.stderr == (
        f"error: {tmp_path / 'file/home'}: Caffe cannot be installed: Not a directory; free some "
        "space, or choose another place with LRBENCH_HOME\n"
    )


def test_what_mmdebstrap_leaves_out_is_told(tmp_path):
    program = tmp_path / "mmdebstrap"
    program.write_text('#!/bin/sh\nfor last; do :; done\n/bin/mkdir -p "$last/usr"\n')
    program.chmod(0o755)
    answer = lrbench("caffe", "install", LRBENCH_HOME=str(tmp_path / "home"), PATH=f"{tmp_path}:/usr/bin:/bin")
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith("error: ")
    assert "changelog.Debian.gz: Caffe cannot be installed: No such file or directory" in answer.stderr
    assert not (tmp_path / "home/caffe").exists()


def test_a_failing_mmdebstrap_leaves_nothing_and_is_quoted(tmp_path):
    program = tmp_path / "mmdebstrap"
    program.write_text(
        '#!/bin/sh\nfor last; do :; done\n/bin/mkdir -p "$last/usr"\necho "E: no network here" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    answer = lrbench("caffe", "install", LRBENCH_HOME=str(tmp_path / "home"), PATH=f"{tmp_path}:/usr/bin:/bin")
    assert answer.returncode == 2
    assert "mmdebstrap failed: E: no network here" in answer.stderr
    assert not (tmp_path / "home/caffe").exists()
    assert not (tmp_path / "home/caffe.partial").exists()


def test_the_mirror_is_given_to_mmdebstrap(tmp_path):
    program = tmp_path / "mmdebstrap"
    program.write_text(f'#!/bin/sh\nfor last; do :; done\necho "$last" >> {tmp_path}/mirrors\nexit 1\n')
    program.chmod(0o755)
    folders = {"LRBENCH_HOME": str(tmp_path / "home"), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    for mirror in ("http://127.0.0.1:1/debian", "file:///srv/debian"):
        answer = lrbench("caffe", "install", "--mirror", mirror, **folders)
        assert answer.returncode == 2
    given = (tmp_path / "mirrors").read_text().splitlines()
    assert given == ["http://127.0.0.1:1/debian", "copy:///srv/debian"], "mmdebstrap cannot take packages from file:"


@pytest.mark.parametrize(("user", "given"), [(0, []), (1000, ["--mode=chrootless"])])
def test_without_root_mmdebstrap_is_told_that_it_needs_none(tmp_path, monkeypatch, user, given):
    """It finds no way by itself where newuidmap is missing, or makes files that belong to another user."""
    program = tmp_path / "mmdebstrap"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(EngineUnavailable, match="mmdebstrap failed"):
        from_mirror(tmp_path / "tree")
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert [argument for argument in arguments if argument.startswith("--mode")] == given


class Nothing(BaseHTTPRequestHandler):
    """A mirror that has nothing."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed")
def test_a_mirror_without_the_release_is_told_in_one_line(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}/debian"
        answer = lrbench(
            "caffe",
            "install",
            "--mirror",
            f"http://user:SECRET@{place}",
            http_proxy="",
            LRBENCH_HOME=str(tmp_path / "home"),
        )
        server.shutdown()
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.splitlines()[1:] == [
        f"error: mmdebstrap failed: E: The repository 'http://{place} bullseye Release' does not have a Release file.; "
        "look at the network and the free disk space, then type it again; --mirror names another mirror, --from an "
        "archive of lrbench caffe pack"
    ]
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["caffe.lock"]
