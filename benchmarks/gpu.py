"""What a GPU does: images per second, the metrics, and an evaluation with the GPU's idle share."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from tempfile import TemporaryDirectory

import torch
from torch.profiler import ProfilerActivity, profile

import fusionlab
from fusionlab.evaluation.scoring import Scorer
from fusionlab.metrics import open_metrics
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.ttd import TestTimeDynamicFusion

BATCHES = (1, 2, 4, 8, 16, 32)
NETWORKS: dict[str, dict[str, object]] = {
    "ifcnn": {"checkpoint": "bundled"},
    "cddfuse": {},
    "defusion": {},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    options = parser.parse_args(arguments)
    device, size = torch.device(options.device), (options.height, options.width)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, {size[1]}x{size[0]}, two sources, images per second\n")
    print("| network | precision | batch | static | +TTD | TTD/static time |")
    print("|---|---|---|---|---|---|")
    for network_name, given in NETWORKS.items():
        network = create_network(network_name, **given).to(device)  # type: ignore[arg-type]  # options
        for kind in (torch.float32, torch.bfloat16):
            _print_network(network, kind, device, size, options.seconds)
    _print_metrics(device, size, options.seconds)
    _print_evaluation(device)


def _print_network(
    network: FusionNetwork,
    kind: torch.dtype,
    device: torch.device,
    size: tuple[int, int],
    seconds: float,
) -> None:
    """A line for batches of one and one for the best batch."""
    dynamic = TestTimeDynamicFusion(network)
    found: dict[int, tuple[float, float]] = {}
    for batch in BATCHES:
        sources = torch.rand(batch, 2, network.channels[0], *size, device=device)
        try:
            with _precision(kind, device), torch.inference_mode():
                static = batch * rate(lambda sources=sources: network(sources), device, seconds)  # type: ignore[misc]  # a lambda
                ttd = batch * rate(lambda sources=sources: dynamic(sources), device, seconds)  # type: ignore[misc]  # a lambda
        except torch.OutOfMemoryError:
            break
        found[batch] = (static, ttd)
    best = max(found, key=lambda batch: found[batch][1])
    for batch in dict.fromkeys((1, best)):
        static, ttd = found[batch]
        precision = str(kind).removeprefix("torch.")
        print(
            f"| {network.name} | {precision} | {batch} | {static:.1f} | {ttd:.1f} | "
            f"{static / ttd:.2f} |"
        )


def rate(act: Callable[[], object], device: torch.device, seconds: float) -> float:
    """How often per second something is done, warmed up, over some seconds."""
    act()
    _wait(device)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        act()
        count += 1
        _wait(device)
    return count / (time.perf_counter() - start)


def _print_metrics(device: torch.device, size: tuple[int, int], seconds: float) -> None:
    scorer = Scorer(open_metrics("ttd"), with_truth=False)
    levels = torch.randint(256, (3, 1, *size), dtype=torch.uint8, device=device)

    def score() -> list[float]:
        return scorer.values(levels[0], levels[1:], None)

    print(f"\nmetrics (preset ttd): {1000 / rate(score, device, seconds):.1f} ms per image")


def _print_evaluation(device: torch.device) -> None:
    """An evaluation of the built-in scenes, and the share of its time in which the GPU idles."""
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with TemporaryDirectory() as folder, profile(activities=kinds) as seen:
        start = time.perf_counter()
        network = create_network("ifcnn", "bundled").to(device)
        fusionlab.evaluate({"IFCNN": network}, ttd="paper", output=folder, device=device)
        _wait(device)
        seconds = time.perf_counter() - start
    busy = sum(event.self_device_time_total for event in seen.key_averages()) / 1e6
    print(f"evaluation of the built-in scenes: {seconds:.1f} s, GPU idle {1 - busy / seconds:.0%}")


def _precision(kind: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    return nullcontext() if kind == torch.float32 else torch.autocast(device.type, kind)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
