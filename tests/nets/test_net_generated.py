from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, folder: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / script, folder], check=True, capture_output=True, text=True)


def test_the_schema_is_the_one_its_proto_file_makes(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="needs grpcio-tools, of the extra dev")
    run("generate_schema", tmp_path)
    for name in ("caffe_pb2.py", "caffe_pb2.pyi"):
        generated = (tmp_path / "lrbench" / "nets" / name).read_text()
        assert generated == (ROOT / "lrbench" / "nets" / name).read_text(), f"{name} is stale: scripts/generate_schema"


def test_the_resnets_are_those_their_script_writes(tmp_path: Path) -> None:
    run("generate_resnet_prototxt", tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["resnet20.prototxt", "resnet32.prototxt"]
    for name in written:
        assert (tmp_path / name).read_text() == (ROOT / "prototxt" / name).read_text(), (
            f"{name} is stale: scripts/generate_resnet_prototxt"
        )
