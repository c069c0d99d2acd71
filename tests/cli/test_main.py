"""The command ``fusionlab`` itself: its table of commands, help, and how it ends."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fusionlab
from fusionlab.cli import COMMANDS, evaluate, main
from fusionlab.cli.arguments import with_lists
from fusionlab.cli.parser import ending_in_one_line
from fusionlab.errors import InputError

PACKAGE = Path(fusionlab.__file__).parent
BELOW = {
    "data": ["list", "verify", "make-manifest"],
    "networks": ["list", "table", "convert", "export"],
    "figures": ["panel", "strip", "rd", "masking", "contrast", "time"],
}


def run(*argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A fresh Python with these arguments; the package is found wherever it runs."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    return subprocess.run(
        [sys.executable, *argv], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_every_command_has_its_module():
    modules = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
    assert set(COMMANDS) == modules - {"__init__", "arguments", "messages", "parser"}


@pytest.mark.parametrize(("argv", "code"), [(["--help"], 0), ([], 2)])
def test_the_commands_are_listed(capsys, argv, code):
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == code
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed and text in printed for name, text in COMMANDS.items())


def test_the_version(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"fusionlab {fusionlab.__version__}\n"


@pytest.mark.parametrize("argv", [["evalute"], ["data", "verfy"], ["networks", "a"]])
def test_an_unknown_command_names_the_known_ones(refused, argv):
    line = refused(*argv)
    near = {"evalute": "evaluate", "verfy": "verify"}.get(argv[-1])
    assert line.strip().endswith(f"; did you mean {near}?") == (near is not None)
    assert f"no command '{argv[-1]}'; there are " in line
    assert ("evaluate" if len(argv) == 1 else "list") in line


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_quick_and_imports_no_torch(name, tmp_path):
    """Of a command, with the start of Python, and of each below it; seconds of CPU."""
    lines = [[name], *([name, below] for below in BELOW.get(name, []))]
    code = (
        "import resource, sys, fusionlab.cli\n"
        f"for argv in {lines!r}:\n"
        "    try: fusionlab.cli.main([*argv, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    print('CPU', used.ru_utime + used.ru_stime)\n"
        "heavy = {'torch', 'lightning', 'numpy', 'wandb'} & set(sys.modules)\n"
        "sys.exit(f'imports {heavy}' if heavy else 0)"
    )
    process = run("-c", code, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    usages = [line for line in process.stdout.splitlines() if line.startswith("usage:")]
    for argv, usage in zip(lines, usages, strict=True):
        assert usage.startswith(f"usage: fusionlab {' '.join(argv)}")
    spent = [float(line[3:]) for line in process.stdout.splitlines() if line.startswith("CPU")]
    assert len(spent) == len(lines)
    assert all(later - sooner < 0.5 for sooner, later in zip([0.0, *spent], spent, strict=False))


@pytest.mark.parametrize("argv", [["--ttd.form", "cubic"], ["--no.such", "3"]])
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_mistakes_do_without_torch(command, argv):
    code = (
        f"import sys, fusionlab.cli\ntry: fusionlab.cli.main({[command, *argv]!r})\n"
        "except SystemExit: pass\nsys.exit('torch' in sys.modules)"
    )
    assert run("-c", code).returncode == 0


def test_help_says_what_every_option_does(capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Folder with the images" in text
    assert "Factor of the loss" not in text  # that is behind --ttd.help
    with pytest.raises(SystemExit):
        evaluate.main(["--ttd.help"])
    assert "Factor of the loss" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "argv",
    [
        ["-m", "fusionlab", "--help"],
        [str(PACKAGE.parent / "evaluate.py"), "--help"],
        [str(PACKAGE.parent / "train.py"), "--help"],
        *(["-m", f"fusionlab.cli.{name}", "--help"] for name in ("evaluate", "metrics")),
    ],
)
def test_every_way_in_speaks(argv):
    assert run(*argv).stdout.startswith("usage: fusionlab")


def test_no_module_with_a_program_can_be_run_in_silence():
    """``python -m`` of a module that defines a program, but does not run it, would say nothing."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        guarded = any(
            isinstance(node, ast.If) and "__main__" in ast.dump(node) for node in tree.body
        )
        if "main" in functions or path.stem in ("program", "__main__"):
            assert guarded or path.name == "__init__.py", f"{path} can be run and says nothing"


def test_no_package_has_a_program_of_its_own():
    assert [path.parent for path in PACKAGE.rglob("__main__.py")] == [PACKAGE]


def test_ctrl_c_during_the_imports_is_no_traceback(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "program", interrupted)
    with pytest.raises(SystemExit) as stop:
        evaluate.main([])
    assert stop.value.code == 130
    assert capsys.readouterr().err == "fusionlab evaluate: interrupted\n"


def test_a_mistake_in_a_worker_is_its_last_line(capsys):
    with pytest.raises(SystemExit), ending_in_one_line(evaluate.parser()):
        raise InputError("Traceback ...\n  File ...\nfusionlab.errors.InputError: a.png is broken")
    assert capsys.readouterr().err == "fusionlab evaluate: error: a.png is broken\n"


def test_a_closed_pipe_is_no_traceback():
    shell = f"{sys.executable} -m fusionlab data list | true"
    process = subprocess.run(shell, shell=True, capture_output=True, text=True, cwd=PACKAGE.parent)
    assert process.stderr == ""


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--fused", "a", "b", "--seed", "1"], ["--fused", '["a", "b"]', "--seed", "1"]),
        (["--fused=a b"], ["--fused", '["a b"]']),
        (["--fused", "[a, b]", "c"], ["--fused", '[a, b, "c"]']),
        (["--fused", "{a: b}"], ["--fused", "[{a: b}]"]),
        (["--fused", "null"], ["--fused", "null"]),
        (["--fused"], ["--fused"]),
        (["--other", "a", "b"], ["--other", "a", "b"]),
        (["--plugin", "a.py", "b", "c"], ["b", "c", "--plugin", '["a.py"]']),
        (["--plugin", "a.py", "--plugin=b.py"], ["--plugin", '["a.py", "b.py"]']),
    ],
)
def test_words_behind_an_option_are_a_list(argv, expected):
    assert with_lists(argv, ["fused"]) == expected
