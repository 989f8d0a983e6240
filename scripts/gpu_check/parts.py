"""The parts of the check. Each fills in what it finds as it goes, so that what a failed part had found is kept."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from gpu_check.check import (
    Check,
    compare_losses,
    compare_rows,
    kill,
    read_losses,
    read_rows,
    read_usage,
)
from gpu_check.setup import REPOSITORY

Found = dict[str, Any]
DIGITS = {"net": "lenet", "dataset": "digits", "batch_size": 64, "iterations": 300, "test_interval": 50}
MNIST = {"net": "lenet", "dataset": "mnist", "batch_size": 100, "iterations": 300, "test_interval": 50}
CIFAR10 = {"net": "cnn3", "dataset": "cifar10", "batch_size": 100, "iterations": 100, "test_interval": 50}
WORKLOADS: dict[str, tuple[dict[str, Any], str]] = {
    "digits": (DIGITS, "FIX(k0=0.01)"),
    "mnist": (MNIST, "TRI(k0=0.001, k1=0.02, l=100)"),
    "cifar10": (CIFAR10, "FIX(k0=0.001)"),
}
TILES = 20_000
TILE_BYTES = 4 * 64 * 784 * TILES
"""Of one blob that repeats a batch of 64 images of 28x28 pixels; Caffe's kernels count to 2**30 values."""


def machine(check: Check, found: Found) -> None:
    """The GPU, Caffe's kernels on it, and what ``lrbench doctor`` says."""
    if shutil.which("nvidia-smi"):
        found["nvidia_smi"] = check.run(
            "nvidia-smi",
            "--query-gpu=name,driver_version,memory.total,compute_cap",
            "--format=csv,noheader",
            codes=(0, 9),
        ).strip()
    probe = check.start(*probe_command(check))
    found["probe"] = check.finish(probe, codes=(*range(256), *range(-64, 0))).strip() or probe.errors[-1500:]
    found["probe_code"] = probe.process.returncode
    found["doctor"] = check.run(sys.executable, "-m", "lrbench", "doctor", codes=(0, 2)).splitlines()
    if probe.process.returncode:
        raise RuntimeError(f"Caffe cannot use the device: {found['probe'][-300:]}")


def probe_command(check: Check) -> list[str]:
    """The worker's own probe, through the tree's loader."""
    from lrbench.api.environment import home
    from lrbench.engines.caffe.environment import WORKER, packaged_environment

    root = next(path for path in (home() / "caffe-cuda", home() / "caffe") if path.is_dir())
    environment = packaged_environment(root)
    return [
        "env",
        *environment.settings,
        *environment.python,
        str(WORKER),
        *(["--probe-gpu", "0"] if check.on_gpu else ["--probe"]),
    ]


def devices(check: Check, found: Found) -> None:
    """The same runs on the CPU once and on the device twice, from the same seed, all at once."""
    specs = {}
    for name, (workload, policy) in WORKLOADS.items():
        workload = workload | {"iterations": max(50, check.scaled(workload["iterations"]) // 50 * 50)}
        specs[f"cpu-{name}"] = check.write_spec(f"{name}-cpu", workload, policy, device="cpu")
        specs[f"device-{name}"] = specs[f"again-{name}"] = check.write_spec(name, workload, policy)
    folders = check.train(specs)
    rows = {place: read_rows(folder) for place, folder in folders.items()}
    losses = {place: read_losses(folder) for place, folder in folders.items()}
    for name in WORKLOADS:
        cpu, device, again = (f"{place}-{name}" for place in ("cpu", "device", "again"))
        found[name] = {
            "device_twice_identical": compare_rows(rows[device], rows[again])["identical"],
            "cpu_and_device": compare_rows(rows[cpu], rows[device]),
            "cpu_and_device_losses": compare_losses(losses[cpu], losses[device]),
            "device_twice_losses": compare_losses(losses[device], losses[again])["largest_difference"],
        }


def resume(check: Check, found: Found) -> None:
    """Runs killed in the middle and resumed, beside two uninterrupted ones; also of a net with dropout."""
    iterations = check.scaled(1000)
    specs = {}
    for name, net in (("lenet", "lenet"), ("dropout", str(write_dropout_net(check)))):
        workload = MNIST | {"net": net, "iterations": iterations, "test_interval": iterations // 10}
        specs[name] = check.write_spec(f"resume-{name}", workload, "FIX(k0=0.01)")
    killed = kill_in_the_middle(check, {f"cut-{name}": spec for name, spec in specs.items()}, evaluations=4)
    places = {f"{place}-{name}": spec for place in ("cut", "whole", "again") for name, spec in specs.items()}
    folders = check.train(places)
    for name in specs:
        cut, whole, again = (read_rows(folders[f"{place}-{name}"]) for place in ("cut", "whole", "again"))
        found[name] = {
            "iterations": iterations,
            "killed_after_iteration": killed[f"cut-{name}"],
            "whole_twice": compare_rows(whole, again),
            "whole_and_resumed": compare_rows(whole, cut),
            "usage": read_usage(folders[f"whole-{name}"]),
        }


def kill_in_the_middle(check: Check, specs: dict[str, Path], *, evaluations: int) -> dict[str, int]:
    """Start runs, kill each by SIGKILL after so many evaluations, and return the iteration of the last of them."""
    under_way = {place: check.start(*check.lrbench(spec, place)) for place, spec in specs.items()}
    killed: dict[str, int] = {}
    while under_way:
        for place, running in list(under_way.items()):
            if running.process.poll() is not None or time.monotonic() > check.deadline:
                raise RuntimeError(f"{place} ended before it could be killed: {running.errors[-300:]}")
            file = next((check.work / place).glob("*/*/evaluations.jsonl"), None)
            if file and len(read_rows(file.parent)) >= evaluations:
                kill(under_way.pop(place))
                killed[place] = read_rows(file.parent)[-1]["iteration"]
        time.sleep(0.01)
    return killed


def write_dropout_net(check: Check) -> Path:
    """LeNet with half of its inner units dropped in training."""
    text = (REPOSITORY / "prototxt/lenet.prototxt").read_text()
    layer = 'layer {\n  name: "drop1"\n  type: "Dropout"\n  bottom: "ip1"\n  top: "ip1"\n}\n'
    changed, count = re.subn(r'(?=layer \{\n  name: "ip2")', layer, text)
    if count != 1:
        raise RuntimeError("prototxt/lenet.prototxt has another form than expected")
    path = check.work / "dropout.prototxt"
    path.write_text(changed)
    return path


def native(check: Check, found: Found) -> None:
    """``caffe train`` on the device, as the native driver runs it, beside stepping; and what the sampler sees of it."""
    iterations = check.scaled(1000)
    workload = MNIST | {"iterations": iterations, "test_interval": iterations // 2}
    policy = "INV(k0=0.01, gamma=0.0001, p=0.75)"
    folders = check.train(
        {
            driver: check.write_spec(f"driver-{driver}", workload, policy, driver=driver)
            for driver in ("native", "stepping")
        }
    )
    for driver, folder in folders.items():
        found[driver] = {"usage": read_usage(folder), "status": json.loads((folder / "status.json").read_text())}
    found["native_and_stepping"] = compare_rows(*(read_rows(folder) for folder in folders.values()))


def out_of_memory(check: Check, found: Found) -> None:
    """A net that needs more memory than the GPU has ends with that reason."""
    if not check.on_gpu:
        found["not_run"] = "--cpu"
        return
    told = check.run("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
    total = float(told.split()[0]) * 2**20
    count = int(total / TILE_BYTES) + 2
    found["asked_for_gib"], found["gpu_gib"] = count * TILE_BYTES / 2**30, total / 2**30
    layers = "".join(
        f'layer {{ name: "tile{i}" type: "Tile" bottom: "data" top: "tile{i}" tile_param {{ tiles: {TILES} }}\n'
        f"  include {{ phase: TRAIN }} }}\n"
        f'layer {{ name: "silence{i}" type: "Silence" bottom: "tile{i}" include {{ phase: TRAIN }} }}\n'
        for i in range(count)
    )
    net = check.work / "large.prototxt"
    net.write_text((REPOSITORY / "prototxt/lenet.prototxt").read_text() + layers)
    spec = check.write_spec("large", DIGITS | {"net": str(net)}, "FIX(k0=0.01)")
    found["exit_code"] = (running := check.start(*check.lrbench(spec, "large"))).process.wait(
        max(1.0, check.deadline - time.monotonic())
    )
    found["said"] = running.errors[-600:]
    found["status"] = json.loads((check.run_folder("large") / "status.json").read_text())
    if "out of GPU memory" not in str(found["status"]):
        raise RuntimeError(f"the reason is another one: {found['status']}")


def speed(check: Check, found: Found) -> None:
    """Iterations a second of stepping and of ``caffe train`` in turns, and of two runs at once over one."""
    iterations = check.scaled(600)
    for part, repeats in (("drivers", "3" if check.on_gpu else "1"), ("jobs", "1")):
        found[part] = json.loads(
            check.run(
                sys.executable,
                str(REPOSITORY / "scripts/measure_speed"),
                "--device",
                check.device,
                "--iterations",
                str(iterations),
                "--repeats",
                repeats,
                "--parts",
                part,
            )
        )


def torch(check: Check, found: Found) -> None:
    """The PyTorch engine beside Caffe on the same device, from the same seed."""
    version = "import torch; print(torch.__version__, torch.cuda.is_available())"
    found["torch"] = check.run(sys.executable, "-c", version).strip()
    folders = check.train({f"torch-{name}": check.work / f"{name}.yaml" for name in WORKLOADS}, "--engine", "torch")
    for name, folder in zip(WORKLOADS, folders.values(), strict=True):
        caffe = read_rows(check.run_folder(f"device-{name}"))
        found[name] = {"caffe_and_torch": compare_rows(caffe, read_rows(folder)), "usage": read_usage(folder)}


def lanes(net: str) -> Any:
    """A part that measures the PyTorch engine's lanes on one net."""

    def measure(check: Check, found: Found) -> None:
        counts, processes, seconds = (
            (("1", "4", "16", "64"), ("1", "16"), "1.5") if check.on_gpu else (("1", "2"), ("1",), "0.3")
        )
        found |= json.loads(
            check.run(
                sys.executable,
                str(REPOSITORY / "scripts/measure_lanes"),
                "--device",
                check.device,
                "--nets",
                net,
                "--lanes",
                *counts,
                "--processes",
                *processes,
                "--repeats",
                "1",
                "--seconds",
                seconds,
            )
        )

    measure.__doc__ = f"Lanes of the PyTorch engine on {net}."
    return measure


PARTS = {
    "machine": (machine, 150),
    "devices": (devices, 120),
    "resume": (resume, 100),
    "out_of_memory": (out_of_memory, 40),
    "native": (native, 50),
    "speed": (speed, 150),
    "torch": (torch, 60),
    "lanes_lenet": (lanes("lenet"), 90),
    "lanes_cnn3": (lanes("cnn3"), 90),
}
"""Each part, and the most seconds that it may take."""
