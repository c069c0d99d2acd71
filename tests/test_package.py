"""What an import costs, what the package gives, and what a wheel and an sdist hold."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from setuptools.config.pyprojecttoml import read_configuration

import evaluate
import fusionlab

ROOT = Path(__file__).resolve().parents[1]


def run(code: str) -> str:
    """What a fresh Python prints, to either stream."""
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return process.stdout


def loaded(imports: str, *names: str) -> list[str]:
    """Which of these modules ``import imports`` brings in."""
    code = f"import sys, {imports}; print([name for name in {names} if name in sys.modules])"
    return eval(run(code))


def test_importing_the_package_prints_nothing():
    assert run("import fusionlab") == ""


def test_importing_the_package_imports_nothing_heavy():
    heavy = ("torch", "lightning", "numpy", "jsonargparse", "fusionlab")
    assert loaded("fusionlab", *heavy) == ["fusionlab"]


@pytest.mark.slow
def test_the_lower_parts_need_neither_lightning_nor_wandb():
    parts = ["networks", "ttd", "metrics", "losses", "data.dataset", "fusing", "runs.summary"]
    names = [f"fusionlab.{part}" for part in parts]
    assert loaded(", ".join(names), "lightning", "pytorch_lightning", "wandb", *names) == names


def test_what_help_needs_imports_no_torch():
    parts = ["settings", "registry", "cli", "cli.data", "data.layouts", "data.manifest_files"]
    names = [f"fusionlab.{part}" for part in parts]
    assert loaded(", ".join(names), "torch", "numpy", *names) == names


def test_the_package_gives_its_objects_by_name():
    for name in fusionlab.__all__:
        found = getattr(fusionlab, name)
        assert found.__name__ == name
        assert name in dir(fusionlab)
    assert not hasattr(fusionlab, "nothing")


def test_what_is_given_is_told_to_type_checkers_too():
    tree = ast.parse((ROOT / "fusionlab" / "__init__.py").read_text())
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: node.module
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == fusionlab._PLACES
    assert set(told) == set(fusionlab.__all__)


@pytest.fixture(scope="module")
def settings():
    return read_configuration(ROOT / "pyproject.toml", expand=False)


def test_every_package_is_listed(settings):
    listed = set(settings["tool"]["setuptools"]["packages"]) - {"fusionlab.configs"}
    folders = {path.parent for path in (ROOT / "fusionlab").rglob("__init__.py")}
    assert listed == {".".join(folder.relative_to(ROOT).parts) for folder in folders}


def test_what_is_imported_is_required_and_nothing_else(settings):
    project = settings["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    names = {"PIL": "pillow", "yaml": "pyyaml", "skimage": "scikit_image"}
    imported = {
        names.get(name, name).lower()
        for path in (ROOT / "fusionlab").rglob("*.py")
        for name in _imported(path)
    }
    imported -= {*sys.stdlib_module_names, "fusionlab", "pydantic"}  # W&B's own
    required = _names(project["dependencies"])
    assert required - imported == {
        "urllib3"
    }  # of requests; a version that notices broken transfers
    assert imported - required - _names(extras) == set()


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[>=<\[]", text)[0].replace("-", "_").lower() for text in requirements}


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the wheel and the sdist, built of a copy of the tree without any network."""
    folder = tmp_path_factory.mktemp("built")
    left = {"build", "dist", "wandb", "__pycache__", ".venv", ".git", "fusionlab.egg-info"}
    top = str(ROOT)

    def ignored(where: str, names: list[str]) -> set[str]:
        return {one for one in names if one in left or one.endswith("_cache")} | (
            {"runs"} if where == top else set()
        )

    shutil.copytree(ROOT, folder / "tree", ignore=ignored)
    code = "from setuptools import build_meta as b; b.build_wheel('..'); b.build_sdist('..')"
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder / "tree", check=True, capture_output=True
    )
    return folder


def files_in(*folders: str, pattern: str = "*") -> set[str]:
    """Files below folders of the repository."""
    return {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob(pattern)
        if path.is_file()
        and "__pycache__" not in path.parts
        and ".ipynb_checkpoints" not in path.parts
    }


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_the_recipes_alone(built):
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    recipes = {f"fusionlab/{name}" for name in files_in("configs")}
    assert names == files_in("fusionlab") | recipes


@pytest.mark.slow
def test_the_sdist_holds_docs_notebooks_and_tests_too(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = ("fusionlab", "configs", "docs", "notebooks", "tests", "replication", "benchmarks")
    assert files_in(*folders) - names == set()
    assert {"Makefile", "README.md", "LICENSE", "train.py", "evaluate.py", ".ci/run"} <= names


@pytest.fixture(scope="module")
def installed(built):
    """Run the installed command in an empty folder; returns the folder of its run."""
    target = built / "target"
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(target), str(wheel)], check=True, capture_output=True)

    def command(empty: Path, *argv: str) -> Path:
        environment = {**os.environ, "PYTHONPATH": str(target), "WANDB_MODE": "disabled"}
        subprocess.run(
            [sys.executable, str(target / "bin" / "fusionlab"), *argv],
            cwd=empty,
            env=environment,
            check=True,
        )
        (folder,) = (empty / "runs").iterdir()
        return folder

    return command


@pytest.mark.slow
def test_the_installed_command_evaluates_as_the_checkout_does(installed, tmp_path):
    argv = ["--ttd", "--conditions.limit", "1", "--metrics.names", "[EN, SSIM]"]
    folder = installed(tmp_path, "evaluate", *argv)
    ours = tmp_path / "ours"
    evaluate.main([*argv, "--output", str(ours)])
    (other,) = ours.iterdir()
    summaries = [json.loads((one / "summary.json").read_text()) for one in (folder, other)]
    means = [[result["means"] for result in one["results"]] for one in summaries]
    for result in (result for one in means for result in one):
        for values in result.values():
            values.pop("ms", None)
    assert means[0] == means[1]
    assert len(means[0]) == 4  # tasks
    assert (folder / "report" / "index.html").is_file()


@pytest.mark.slow
def test_the_installed_command_trains_with_a_recipe(installed, tmp_path):
    argv = ["--config", "ifcnn", "--trainer.fast_dev_run", "true", "--training.workers", "0"]
    folder = installed(tmp_path, "train", *argv)
    assert "batch_size: 64" in (folder / "config.yaml").read_text()
