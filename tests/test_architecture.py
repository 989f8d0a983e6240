"""The design's rules, read off the imports and the syntax trees themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import lrbench

PACKAGE = Path(lrbench.__file__).parent
LAYERS = [
    {"_version", "errors", "limits", "storage", "urls", "near", "drawing"},
    {"policies", "spec", "data", "nets", "metrics", "runs", "stopping"},
    {"engines"},
    {"runner", "sampling", "exporting", "importing"},
    {"executors"},
    {"tuning"},
    {"report"},
    {"serving"},
    {"api", "torch", "keras", "optax"},
    {"cli", "testing"},
]
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if not path.name.endswith("_pb2.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, for_types_too: bool = False) -> set[str]:
    """Modules of LRBench and others that a file imports, in its functions, too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if not for_types_too and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in names if name in MODULES} or {node.module}
    return found


MODULES = {module_name(path) for path in PACKAGE.rglob("*.py")}


def part(module: str) -> str | None:
    pieces = module.split(".")
    return pieces[1] if pieces[0] == "lrbench" and len(pieces) > 1 else None


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_one_way(path):
    own = part(module_name(path))
    if own is None or own == "__main__":
        return
    for module in imports(path):
        other = part(module)
        if other is not None:
            assert RANK[other] <= RANK[own], f"{module_name(path)} imports {module}"
            if own == "policies":
                assert other in {"policies", *LAYERS[0]}, f"{module_name(path)} imports {module}"


def test_no_parts_import_each_other_in_a_cycle():
    graph: dict[str, set[str]] = {}
    for path in FILES:
        own = part(module_name(path))
        if own is not None:
            others = {part(module) for module in imports(path)} - {None, own}
            graph.setdefault(own, set()).update(str(other) for other in others)
    TopologicalSorter(graph).prepare()


def test_no_modules_import_each_other_in_a_cycle():
    """Not for type checking alone either, nor when a function is called."""
    graph = {module_name(path): imports(path, for_types_too=True) & MODULES for path in FILES}
    TopologicalSorter(graph).prepare()


def test_no_engine_imports_another():
    for path in (PACKAGE / "engines").glob("*/*.py"):
        for module in imports(path):
            pieces = module.split(".")
            if pieces[:2] == ["lrbench", "engines"] and len(pieces) > 2 and (PACKAGE / "engines" / pieces[2]).is_dir():
                assert pieces[2] in {path.parent.name, "process"}, f"{path} imports {module}"


def test_the_worker_imports_nothing_of_lrbench():
    allowed = {"json", "os", "resource", "sys", "tempfile", "time", "typing", "numpy", "caffe"}
    assert imports(PACKAGE / "engines/caffe/worker.py") <= allowed | {"server"}
    assert imports(PACKAGE / "engines/process/server.py") <= allowed - {"numpy"}


CHILDREN = {"worker.py", "server.py", "libcuda.py"}


@pytest.mark.parametrize(
    "path", [path for path in FILES if not {"cli", path.name} & {*path.parts[:-1], *CHILDREN}], ids=module_name
)
def test_only_the_command_line_prints_exits_or_reads_the_environment(path):
    if module_name(path) == "lrbench.api.environment":  # reads it, for programs and commands alike
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "exit", "quit", "eval", "exec", "input"}, f"{path}:{node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {
                ("os", "environ"),
                ("os", "getenv"),
                ("sys", "exit"),
                ("sys", "stdout"),
                ("sys", "stderr"),
            }, f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_nothing_unpickles_or_starts_a_shell(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword):
            assert not (node.arg in {"shell", "allow_pickle"} and getattr(node.value, "value", None)), path
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {
                ("os", "system"),
                ("os", "popen"),
                ("yaml", "load"),
                ("yaml", "unsafe_load"),
            }, f"{path}:{node.lineno}"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert not {alias.name for alias in node.names} & {"pickle", "marshal", "shelve"}, path


def test_help_loads_nothing_heavy():
    code = (
        "import sys, lrbench.cli.main as m\n"
        "try: m.lrbench.main(['--help'], standalone_mode=True)\n"
        "except SystemExit: pass\n"
        "print(sorted(set(sys.modules) & {'numpy', 'matplotlib', 'pydantic', 'scipy', 'rich', 'yaml', 'google', "
        "'requests', 'psutil', 'sklearn', 'lmdb', 'orjson', 'sqlalchemy', 'pandas'}))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_the_torch_engine_knows_pytorch(path):
    if module_name(path).startswith("lrbench.engines.torch"):
        return
    if module_name(path) in {"lrbench.torch", "lrbench.importing.torch_file"}:  # the user's own PyTorch
        return
    for module in imports(path):
        assert module.split(".")[0] != "torch"
        assert not module.startswith("lrbench.engines.torch") or module_name(path) == "lrbench.engines.registry"


def test_naming_the_engine_does_not_load_pytorch():
    code = (
        "import sys; from pathlib import Path; from lrbench.engines.registry import Site, open_engine\n"
        "open_engine('torch', Site(Path('.'))).describe(); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_no_test_forks_the_process_in_which_jax_has_threads():
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        assert "preexec" + "_fn" not in path.read_text(encoding="utf-8"), path
