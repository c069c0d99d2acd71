"""Speed, as ratios measured side by side in one run: ``python -m fusionlab.benchmark``.

Each pair of programs runs alternately, so that whatever else the machine does slows both; the
median of the ratios of neighbouring runs is printed, with the number of threads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks import IFCNN, FusionNetwork, create_network
from fusionlab.networks.ifcnn import ConvUnit
from fusionlab.ttd import TestTimeDynamicFusion


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m fusionlab.benchmark", description=__doc__)
    parser.add_argument("--pairs", type=int, default=9, help="interleaved pairs, at least 5")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.pairs < 5:
        parser.error(f"--pairs must be at least 5, got {options.pairs}")
    torch.set_num_threads(options.threads)
    network = create_network("ifcnn", "bundled").to(options.device)
    generator = torch.Generator().manual_seed(0)
    sources = torch.rand(1, 2, 1, options.height, options.width, generator=generator)
    print(
        f"IFCNN, fp32, two luma sources of {options.width}x{options.height}, "
        f"{options.device}, {options.threads} threads, {options.pairs} interleaved pairs"
    )
    with torch.inference_mode():
        compare_ifcnn(network, sources.to(options.device), options.pairs)


def compare_ifcnn(network: FusionNetwork, sources: Tensor, pairs: int) -> None:
    """Print how TTD here compares with the static network here and as its authors run it."""
    dynamic = TestTimeDynamicFusion(network)
    luma = torch.tensor([0.299, 0.587, 0.114], device=sources.device).view(3, 1, 1)
    plain = (authors_static(network, sources) * luma).sum(1, keepdim=True)
    difference = (plain - network(sources)).abs().max().item()
    programs = {
        "IFCNN+TTD here / IFCNN here": (lambda: dynamic(sources), lambda: network(sources)),
        "IFCNN+TTD here / IFCNN as its authors run it": (
            lambda: dynamic(sources),
            lambda: authors_static(network, sources),
        ),
        "IFCNN here / IFCNN as its authors run it": (
            lambda: network(sources),
            lambda: authors_static(network, sources),
        ),
    }
    for name, (one, other) in programs.items():
        ratio, first, second = interleaved(one, other, pairs, sources.device)
        print(f"{name}: {ratio:.2f} ({1000 * first:.0f} ms / {1000 * second:.0f} ms)")
    print(f"largest difference between the two static outputs: {difference:.1e}")


def interleaved(
    one: Callable[[], object], other: Callable[[], object], pairs: int, device: torch.device
) -> tuple[float, float, float]:
    """Median ratio of the times of neighbouring runs, and the median seconds of both."""
    one(), other()
    times = [(seconds(one, device), seconds(other, device)) for _ in range(pairs)]
    firsts, seconds_ = zip(*times, strict=True)
    return median(a / b for a, b in times), median(firsts), median(seconds_)


def seconds(program: Callable[[], object], device: torch.device) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    program()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def authors_static(network: FusionNetwork, sources: Tensor) -> Tensor:
    """IFCNN as its authors' demo runs it, on a luma image per source, (B, M, 1, H, W).

    One encoder pass per source on three copies of the luma, batch norm as a layer of its own,
    the default memory layout, max rule; the output is (B, 3, H, W).
    """
    assert isinstance(network, IFCNN)
    maps = []
    for source in sources.unbind(1):
        x = source.expand(-1, 3, -1, -1).contiguous()
        x = network.conv1(F.pad(x, (3, 3, 3, 3), mode="replicate"))
        maps.append(_plain(network.conv2, x))
    fused = maps[0]
    for other in maps[1:]:
        fused = torch.max(fused, other)
    return network.conv4(_plain(network.conv3, fused))


def _plain(unit: ConvUnit, x: Tensor) -> Tensor:
    return F.relu(unit.bn(unit.conv(F.pad(x, (1, 1, 1, 1), mode="replicate"))), inplace=True)


if __name__ == "__main__":
    main()
