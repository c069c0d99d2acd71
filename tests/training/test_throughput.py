"""The logged speed of a training."""

from types import SimpleNamespace

from fusionlab.training import throughput
from fusionlab.training.throughput import Throughput


def test_it_counts_all_processes_and_neither_validation_nor_other_epochs(monkeypatch):
    clock = iter([100.0, 103.0, 108.0, 200.0, 201.0])
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: next(clock))
    found = []
    module = SimpleNamespace(log=lambda name, value, **_: found.append((name, value)))
    trainer, speed = SimpleNamespace(world_size=2), Throughput(batch_size=10)
    for batches in (2, 1):
        speed.on_train_epoch_start(trainer, module)
        for index in range(batches):
            speed.on_train_batch_end(trainer, module, None, None, index)
        speed.on_train_epoch_end(trainer, module)
    name = "train/images_per_second"
    assert found == [(name, 2 * 2 * 10 / 8), (name, 2 * 10 / 1)]
