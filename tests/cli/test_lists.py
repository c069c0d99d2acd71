"""What ``fusionlab networks`` and ``fusionlab metrics`` list."""

from fusionlab.cli import main
from fusionlab.metrics import METRICS, PRESETS
from fusionlab.networks import NETWORKS


def test_every_network_is_listed_with_its_tasks_and_checkpoints(capsys):
    main(["networks"])
    printed = capsys.readouterr().out
    main(["networks", "list"])
    assert capsys.readouterr().out == printed
    blocks = dict(
        block.split(": ", 1) for block in printed.split("\n") if block[:1] != " " and block
    )
    assert list(blocks) == sorted(NETWORKS)
    for name, network in NETWORKS.items():
        assert blocks[name] == (network.paper or network.__name__)
        assert all(file.file in printed for file in network.published)
    assert "bundled (ifcnn.safetensors)" in printed


def test_every_metric_is_listed_with_its_conventions(capsys):
    main(["metrics"])
    lines = capsys.readouterr().out.splitlines()
    for metric in METRICS.values():
        assert any(line.startswith(f"{metric.name}: {metric.long_name}; ") for line in lines)
        for key, convention in metric.conventions.items():
            assert f"    {metric.name}:{key}  {convention.text}" in lines
    for preset, names in PRESETS.items():
        (line,) = (line for line in lines if line.startswith(f"    {preset}: "))
        assert line.split()[1:] == [METRICS[name].name for name in names.split()]


def test_metrics_are_listed_by_name(capsys):
    main(["metrics", "EI", "ce"])
    printed = capsys.readouterr().out
    heads = [line.split(":")[0] for line in printed.splitlines() if line[0] != " "]
    assert heads == ["EI", "CE"]
    assert "lower is better" in printed


def test_an_unknown_metric_names_the_known_ones(refused):
    assert "unknown metric 'EX'; known: " in refused("metrics", "EX")
