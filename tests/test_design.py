"""The arrows of the design: which package imports which, read from the sources."""

import ast
from functools import cache
from pathlib import Path

import pytest

import fusionlab

PACKAGE = Path(fusionlab.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

BASE = {
    "errors",
    "registry",
    "settings",
    "console",
    "writing",
    "ending",
}  # what everything may import
PARTS = {"fusing", "networks", "metrics", "data", "runs", "report", "tracking"}
ALLOWED: dict[str, set[str]] = {  # from below to above
    "errors": set(),
    "console": set(),
    "writing": set(),
    "ending": set(),
    "registry": {"errors"},
    "settings": {"errors", "registry"},
    "networks": BASE,
    "metrics": BASE,
    "data": BASE,
    "ttd": {*BASE, "networks.base"},
    "losses": {*BASE, "networks", "data"},  # some bring data of their own
    "viewing": {*BASE, "networks", "data"},
    "fusing": {*BASE, "networks", "ttd", "data", "viewing"},
    "runs": {*BASE, "data.colour"},
    "report": {*BASE, "runs", "data.colour"},
    "tracking": {*BASE, "runs", "data.colour"},
    "tasks": {*BASE, "networks", "losses", "fusing", "data", "runs"},
    "citing": {*BASE, "networks", "metrics", "data"},
    "fuse": {*BASE, "fusing", "networks", "runs", "data", "citing"},
    "figures": {*BASE, "fusing", "viewing", "networks", "runs", "data"},
    "exporting": {*BASE, "networks", "ttd"},
    "hub": {*BASE, "networks", "report", "runs"},
    "evaluation": {*BASE, *PARTS, "citing", "ttd", "tasks"},
    "training": {*BASE, *PARTS, "losses", "evaluation"},
    "app": {*BASE, *PARTS, "fuse", "evaluation"},
}
ALLOWED["cli"] = set(ALLOWED)  # the top: it imports the programs that it starts
LIGHT = {"errors", "registry", "console", "writing", "ending", "settings", "cli"}
HEAVY = {"torch", "numpy", "lightning", "wandb", "scipy", "kornia", "torchmetrics", "matplotlib"}
WITH_LIGHTNING = {"evaluation", "training", "tracking"}


def part(module: str) -> str:
    """The package or module directly below fusionlab; empty for fusionlab itself."""
    return module.split(".")[1] if "." in module else ""


def allowed(name: str, module: str) -> bool:
    """Whether a part may import a module."""
    own = module.removeprefix("fusionlab").removeprefix(".")
    return part(module) in {"", name, *ALLOWED[name]} or own in ALLOWED[name]


@cache
def imports(module: str, everywhere: bool = True) -> set[str]:
    """What a module imports, by whole names.

    Args:
        module: Name of the module.
        everywhere: Also within functions; blocks for type checkers count in no case.
    """
    found: set[str] = set()
    pending: list[ast.AST] = list(ast.parse(MODULES[module].read_text("utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by a relative name"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in names}
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += ast.iter_child_nodes(node)
    return found


def test_every_part_has_its_place():
    assert {part(name) for name in MODULES} - {"", "__main__"} == set(ALLOWED)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_imports_point_downward(name):
    wrong = {
        module: sorted(one for one in imports(module) & set(MODULES) if not allowed(name, one))
        for module in MODULES
        if part(module) == name
    }
    assert {module: found for module, found in wrong.items() if found} == {}


def test_no_two_parts_can_import_each_other():
    """Each part may import only what stands above it in the table."""
    order = list(ALLOWED)
    for name, below in ALLOWED.items():
        assert {one.split(".")[0] for one in below} <= set(order[: order.index(name)]), name


def test_no_files_import_each_other_in_a_circle():
    graph = {
        name: {one for one in imports(name, everywhere=False) if one in MODULES and one != name}
        for name in MODULES
    }
    while leaves := {name for name, imported in graph.items() if not imported}:
        graph = {name: imported - leaves for name, imported in graph.items() if name not in leaves}
    assert graph == {}, f"circles among {sorted(graph)}"


def test_what_help_needs_imports_nothing_heavy():
    for name in (one for one in MODULES if part(one) in LIGHT):
        imported = imports(name, everywhere=False)
        assert {one.split(".")[0] for one in imported} & HEAVY == set(), name
        below = {part(one) for one in imported if one in MODULES}
        assert below <= {"", "data", *LIGHT}, name  # manifests and layouts do without torch too


def test_lightning_and_wandb_stay_above():
    for name in MODULES:
        first = {one.split(".")[0] for one in imports(name)}
        if part(name) not in WITH_LIGHTNING:
            assert first & {"lightning", "pytorch_lightning", "wandb"} == set(), name


def test_what_is_made_with_the_package_is_not_in_it():
    for name in MODULES:
        first = {one.split(".")[0] for one in imports(name)}
        assert first & {"replication", "benchmarks", "tests", "docs"} == set(), name
