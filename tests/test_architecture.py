"""The design's rules, read off the imports and the syntax trees themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import lrbench

PACKAGE = Path(lrbench.__file__).parent
LAYERS = [
    {"_version", "entry_points", "errors", "limits", "storage", "urls", "near", "drawing"},
    {"program"},
    {"policies", "spec", "data", "nets", "metrics", "statistics", "runs", "stopping"},
    {"engines"},
    {"runner", "sampling", "exporting", "importing", "comparable", "predicting"},
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


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def imports(path: Path, *, for_types_too: bool = False) -> set[str]:
    """Modules of LRBench and others that a file imports, in its functions, too."""
    for_types = {
        id(inner)
        for node in nodes_of(path)
        if not for_types_too and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = set()
    for node in nodes_of(path):
        if id(node) in for_types:
            continue
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


def test_imports_go_one_way():
    allowed = {"policies", *LAYERS[0]}
    wrong = [
        f"{module_name(path)} imports {module}"
        for path in FILES
        if (own := part(module_name(path))) not in {None, "__main__"}
        for module in imports(path)
        if (other := part(module)) is not None
        and (RANK[other] > RANK[own] or (own == "policies" and other not in allowed))
        and module_name(path)
        != "lrbench.program.parent"  # reads the policy of a program that runs alone, if there is one
    ]
    assert wrong == []


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
    allowed = {"json", "os", "resource", "sys", "tempfile", "time", "types", "typing", "numpy", "caffe"}
    assert imports(PACKAGE / "engines/caffe/worker.py") <= allowed | {"server", "velocity"}
    assert imports(PACKAGE / "engines/caffe/velocity.py") <= {"typing", "numpy"}
    assert imports(PACKAGE / "engines/process/server.py") <= allowed - {"numpy"}


CHILDREN = {"worker.py", "server.py", "libcuda.py", "program"}


OUTSIDE_CALLS = {"print", "exit", "quit", "eval", "exec", "input"}
OUTSIDE_NAMES = {("os", "environ"), ("os", "getenv"), ("sys", "exit"), ("sys", "stdout"), ("sys", "stderr")}


def test_only_the_command_line_prints_exits_or_reads_the_environment():
    for path in FILES:
        if {"cli", *CHILDREN} & {*path.relative_to(PACKAGE).parts}:
            continue
        if module_name(path) == "lrbench.api.environment":  # reads it, for programs and commands alike
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in OUTSIDE_CALLS, f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in OUTSIDE_NAMES, f"{path}:{node.lineno}"


UNSAFE = {("os", "system"), ("os", "popen"), ("yaml", "load"), ("yaml", "unsafe_load")}


def test_nothing_unpickles_or_starts_a_shell():
    for path in FILES:
        for node in nodes_of(path):
            if isinstance(node, ast.keyword):
                assert not (node.arg in {"shell", "allow_pickle"} and getattr(node.value, "value", None)), path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in UNSAFE, f"{path}:{node.lineno}"
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


def test_only_the_torch_engine_knows_pytorch():
    users_own = {"lrbench.importing.torch_file"}
    wrong = [
        f"{name} imports {module}"
        for path in FILES
        if not (name := module_name(path)).startswith(("lrbench.engines.torch", "lrbench.program.", "lrbench.torch."))
        and name not in users_own
        for module in imports(path)
        if module.split(".")[0] == "torch"
        or (module.startswith("lrbench.engines.torch") and name != "lrbench.engines.registry")
    ]
    assert wrong == []


def test_naming_the_engine_does_not_load_pytorch():
    code = (
        "import sys; from pathlib import Path; from lrbench.engines.registry import open_engine; from lrbench.engines.site import Site\n"
        "open_engine('torch', Site(Path('.'))).describe(); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_no_test_forks_the_process_in_which_jax_has_threads():
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        assert "preexec" + "_fn" not in path.read_text(encoding="utf-8"), path
