"""A command up to what it would compute, and a command that must refuse its arguments."""

from importlib import import_module

import pytest

import fusionlab.cli


@pytest.fixture
def understood(monkeypatch):
    """What evaluate or train would run with: the settings, and the config as YAML."""

    def parse(*argv: str, command: str = "evaluate"):
        seen = []
        module = import_module(f"fusionlab.cli.{command}")
        monkeypatch.setattr(module, "program", lambda: lambda *given: seen.extend(given))
        module.main(list(argv))
        return tuple(seen)

    return parse


@pytest.fixture
def settings_of(understood):
    """The settings alone."""
    return lambda *argv, command="evaluate": understood(*argv, command=command)[0]


@pytest.fixture
def refused(capsys):
    """The one line with which ``fusionlab`` ends, with exit code 2 and without any output."""

    def run(*argv) -> str:
        with pytest.raises(SystemExit) as ended:
            fusionlab.cli.main([str(argument) for argument in argv])
        printed = capsys.readouterr()
        assert ended.value.code == 2
        assert printed.out == ""
        assert printed.err.count("\n") == 1, printed.err
        assert printed.err.startswith("fusionlab")
        return printed.err.strip()

    return run
