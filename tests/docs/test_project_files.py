"""The hosted checks and the templates of issues: their steps are those of .ci/run."""

import re
from pathlib import Path

import pytest
import yaml

import fusionlab

ROOT = Path(__file__).parents[2]


def read(path):
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def test_the_hosted_checks_are_the_steps_of_ci():
    (job,) = read(".github/workflows/ci.yml")["jobs"].values()
    steps = re.findall(r"^make (\S+)$", (ROOT / ".ci/run").read_text("utf-8"), re.M)
    assert job["strategy"]["matrix"]["target"] == steps
    assert job["steps"][-1]["run"] == "make ${{ matrix.target }}"


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")))
def test_issue_templates_ask(path):
    form = read(path)
    assert form["name"]
    assert form["description"]
    assert any(one.get("validations", {}).get("required") for one in form["body"])


def test_the_citation_is_of_this_version():
    citation = read("docs/CITATION.cff")
    assert citation["version"] == fusionlab.__version__
    assert citation["license"] == "Apache-2.0"


def test_every_page_is_in_the_site():
    listed = re.findall(r"(\w+\.md)$", (ROOT / "docs/makers/mkdocs.yml").read_text("utf-8"), re.M)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
