"""The script by which a shell completes ``fusionlab``."""

import shutil
import subprocess

import pytest

from fusionlab.cli import COMMANDS, main
from fusionlab.cli.completion import script

BASH = shutil.which("bash")


def completed(*words):
    """What bash offers for the last of the words behind ``fusionlab``."""
    typed = " ".join(f"'{word}'" for word in ("fusionlab", *words))
    asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _fusionlab; echo ${{COMPREPLY[@]}}"
    ended = subprocess.run(
        [str(BASH), "-c", f"{script()}\n{asked}"], capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.slow
@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_commands_and_options():
    assert completed("") == list(COMMANDS)
    assert completed("ev") == ["evaluate"]
    assert completed("train", "--training.l") == [
        "--training.limit",
        "--training.lr",
        "--training.lr_power",
    ]
    assert completed("networks", "ex") == ["export"]
    assert completed("networks", "export", "--cha") == ["--channels"]
    assert completed("figures", "rd", "--fix") == ["--fixed-scale"]
    assert completed("completion", "") == ["bash", "zsh"]
    assert completed("train", "some/fi") == []  # files, by bash itself


def test_the_command_prints_it(capsys):
    main(["completion", "bash"])
    assert capsys.readouterr().out == script()
    main(["completion", "zsh"])
    assert capsys.readouterr().out.endswith(script())
