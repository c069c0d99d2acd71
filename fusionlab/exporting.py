"""Networks as files for other programs: ONNX, PyTorch's exported program, safetensors.

The graph is traced by ``torch.export`` from the same modules that fuse here, with height and width
left open. Test-time dynamic fusion is part of it where it is asked for: losses, RD and the second
pass through rule and decoder.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export

from fusionlab.errors import InputError
from fusionlab.networks import FusionNetwork, save_checkpoint
from fusionlab.networks.base import next_multiple
from fusionlab.settings import TTD
from fusionlab.ttd import TestTimeDynamicFusion
from fusionlab.writing import replace_file

KINDS = (".onnx", ".pt2", ".safetensors")
OPSET = 18  # of ONNX
LARGEST_SIDE = 2**14  # pixels
TRACED, COMPARED = (8, 20), (13, 27)  # pixels above the least size: rows and columns
NEAR = 3e-4  # a file that differs more in the mean is not the network
FACTS = "fusionlab.json"  # name of the facts inside a .pt2 file


class ExportedFusion(nn.Module):
    """The graph of a network: sources to the fused image and, with TTD, RD.

    Args:
        network: The network, in evaluation mode.
        task: What it is used for; only some networks look at it.
        ttd: Settings of TTD; None for the static network.
    """

    def __init__(self, network: FusionNetwork, task: str, ttd: TTD | None = None) -> None:
        super().__init__()
        self.network, self.task = network, task
        self.dynamic = None if ttd is None else TestTimeDynamicFusion(network, ttd)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it returns."""
        return ("fused",) if self.dynamic is None else ("fused", "rd")

    def forward(self, sources: Tensor) -> tuple[Tensor, ...]:
        """Fuse (1, M, C, H, W) in [0, 1].

        Returns:
            The fused image, (1, C, H, W), clamped to [0, 1]; with TTD, RD (1, M, 1, H, W) too.
        """
        if self.dynamic is None:
            return (self.network(sources, task=self.task).clamp(0, 1),)
        found = self.dynamic(sources, self.task)
        return found.fused.clamp(0, 1), found.rd


@dataclass
class Exported:
    """What was written.

    Args:
        path: The file.
        facts: What stands inside it: network, options, task, order of the sources, TTD, licence.
        sizes: Heights and widths on which the file was compared with the network.
        differences: Largest absolute difference there, by output; none of safetensors.
    """

    path: Path
    facts: dict[str, str]
    sizes: tuple[tuple[int, int], ...] = ()
    differences: dict[str, float] = field(default_factory=dict)


def export_network(
    network: FusionNetwork,
    target: str | Path,
    task: str | None = None,
    ttd: TTD | None = None,
    sources: int | None = None,
    channels: int | None = None,
) -> Exported:
    """Write a network as a file for other programs, and compare the file with the network.

    Args:
        network: From ``create_network``.
        target: A new file: ``.onnx`` (opset 18, one file), ``.pt2`` (``torch.export.load``) or
            ``.safetensors`` (weights, name and options, as ``create_network`` reads them).
        task: ``vif``, ``mif``, ``mef`` or ``mff``. Default: the first that the network is made for.
        ttd: Settings of TTD that become part of the graph; None for the static network.
        sources: Number of sources M. Default: what the network takes, else 2.
        channels: 1 (luma) or 3 (RGB). Default: as its authors fuse the task.

    Returns:
        What was written; the differences are on two sizes that were not traced: both sides odd, and
        higher than wide with sides that need no padding.

    Raises:
        InputError: If the network cannot be exported like that, or the file cannot be written.
    """
    path = Path(target)
    if path.suffix not in KINDS:
        raise InputError(f"{path} must end in {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    if path.exists():
        raise InputError(f"{path} exists; remove it or choose another name")
    task = task or (network.tasks or ("vif",))[0]
    if path.suffix == ".safetensors":
        if ttd is not None:
            raise InputError(
                f"{path} holds weights, no TTD; leave out --ttd, or write .onnx or .pt2"
            )
        _written(path, lambda file: save_checkpoint(network, file))
        return Exported(path, _facts(network, task, None, ()))
    _check_exportable(network, ttd)
    module = ExportedFusion(network, task, ttd).eval()
    shape = _shape(network, task, sources, channels)
    program = _traced(module, _random(shape, _odd(shape[2], TRACED)))
    facts = _facts(network, task, module.dynamic, shape)
    samples = [_random(shape, size) for size in _compared_sizes(network, shape[2])]
    write = _write_onnx if path.suffix == ".onnx" else _write_program
    differences: dict[str, float] = {}

    def make(file: Path) -> None:
        write(program, file, module.outputs, facts)
        differences.update(_differences(module, file, samples))

    _written(path, make)
    sizes = tuple((one.shape[-2], one.shape[-1]) for one in samples)
    return Exported(path, facts, sizes, differences)


def _check_exportable(network: FusionNetwork, ttd: TTD | None) -> None:
    if network.no_export:
        raise _refusal(network, network.no_export)
    if ttd is None:
        return
    if ttd.basis != "loss":
        raise InputError("ttd.basis gradient needs gradients, which a graph lacks; set it to loss")
    if ttd.needs_calibration:
        raise InputError("ttd.temperature auto is chosen on data; a graph needs a number")


def _shape(
    network: FusionNetwork, task: str, sources: int | None, channels: int | None
) -> tuple[int, int, int]:
    """M, C and the least side of what the graph takes.

    Raises:
        InputError: If the network does not take that.
    """
    name, count = _name(network), network.source_count or 2
    count = count if sources is None else sources
    if network.source_count not in (None, count):
        raise InputError(f"{name} takes exactly {network.source_count} sources, got {count}")
    if count < 1:
        raise InputError(f"sources must be at least 1, got {count}")
    usual = 3 if task in network.rgb_tasks or 1 not in network.channels else 1
    chosen = usual if channels is None else channels
    if chosen not in network.channels:
        takes = " or ".join(map(str, network.channels))
        raise InputError(f"{name} takes {takes} channels, got {chosen}")
    return count, chosen, _least_side(network)


def _least_side(network: FusionNetwork) -> int:
    """From here on the coarsest maps have two rows or more: one of them is another graph."""
    coarsest = network.size_multiple + 1 if network.size_multiple > 1 else 1
    return max(network.minimum_size, network.graph_minimum, coarsest)


def _odd(least: int, beyond: tuple[int, int]) -> tuple[int, int]:
    height, width = ((least + more) // 2 * 2 + 1 for more in beyond)
    return height, width


def _compared_sizes(network: FusionNetwork, least: int) -> tuple[tuple[int, int], ...]:
    """Both sides odd; and higher than wide, with sides that need no padding."""
    width = next_multiple(least, max(network.size_multiple, 16))
    return _odd(least, COMPARED), (2 * width, width)


def _random(shape: tuple[int, int, int], size: tuple[int, int]) -> Tensor:
    """Sources of that height and width, the same every time."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, *shape[:2], *size, generator=generator)


def _traced(module: ExportedFusion, sources: Tensor) -> ExportedProgram:
    """The graph, with height and width open.

    Raises:
        InputError: If PyTorch cannot trace it so.
    """
    least = _least_side(module.network)
    sides = {k: Dim(name, min=least, max=LARGEST_SIDE) for k, name in ((3, "height"), (4, "width"))}
    try:
        with quiet(), torch.no_grad():
            return export(
                module,
                (sources,),
                dynamic_shapes={"sources": sides},
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,  # _differences sees them hold
            )
    except (RuntimeError, ValueError, TypeError, AssertionError, NotImplementedError) as fault:
        raise _refusal(module.network, _first_line(fault)) from None


def _refusal(network: FusionNetwork, reason: str) -> InputError:
    return InputError(f"{_name(network)} cannot be exported for any height and width: {reason}")


def _name(network: FusionNetwork) -> str:
    return network.name or type(network).__name__


def _first_line(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines()]
    if "onstraints violated" in str(fault):
        return "parts of it depend on the size in ways that torch.export cannot state"
    return f"{type(fault).__name__}: {next(filter(None, lines), 'no reason given')[:160]}"


def _facts(
    network: FusionNetwork,
    task: str,
    dynamic: TestTimeDynamicFusion | None,
    shape: tuple[int, ...],
) -> dict[str, str]:
    """What a file says of itself, as texts."""
    facts = {
        "network": network.name,
        "options": json.dumps(network.kept_options),
        "paper": network.paper,
        "licence of its authors' code and weights": network.licence,
        "weights sha256": network.checkpoint.get("sha256", ""),
        "task": task,
        "order of the sources": ", ".join(network.source_order.get(task, ())) or "any",
    }
    if dynamic is not None:
        facts["ttd"] = json.dumps(dynamic.settings.options())
    if shape:
        facts["input"] = f"sources (1, {shape[0]}, {shape[1]}, height, width) in [0, 1]"
        facts["smallest side"] = str(shape[2])
    return facts


def _write_onnx(
    program: ExportedProgram, file: Path, outputs: tuple[str, ...], facts: dict[str, str]
) -> None:
    """One file, weights inside.

    Raises:
        InputError: If onnx is not installed, or has no operator for a part of the graph.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 (torch.onnx asks for it)
    except ImportError:
        raise InputError('ONNX is an extra: pip install "fusionlab[onnx]"') from None
    from torch.onnx import OnnxExporterError

    try:
        with quiet():
            torch.onnx.export(
                program,
                (),
                str(file),
                input_names=["sources"],
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except OnnxExporterError as fault:
        cause = fault.__cause__ if isinstance(fault.__cause__, Exception) else fault
        raise InputError(f"{facts['network']} has no ONNX form: {_first_line(cause)}") from None
    model = onnx.load(str(file))
    _name_sides(model.graph)
    onnx.helper.set_model_props(model, {key: text for key, text in facts.items() if text})
    onnx.save(model, str(file))


def _name_sides(graph: Any) -> None:
    """Call the open sides height and width everywhere, in place of the tracer's symbols."""
    sides = graph.input[0].type.tensor_type.shape.dim[3:5]
    names = dict(zip((side.dim_param for side in sides), ("height", "width"), strict=True))
    for value in (*graph.input, *graph.output, *graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param in names:
                side.dim_param = names[side.dim_param]


def _write_program(
    program: ExportedProgram, file: Path, outputs: tuple[str, ...], facts: dict[str, str]
) -> None:
    about = {**facts, "outputs": ", ".join(outputs)}
    with quiet():
        torch.export.save(program, file, extra_files={FACTS: json.dumps(about)})


def _written(path: Path, write: Any) -> None:
    """Let a file be written beside its place, then move it there.

    Raises:
        InputError: If it cannot be written; then there is none.
    """
    try:
        with TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            file = Path(folder) / path.name
            write(file)
            replace_file(path, file.read_bytes())
    except OSError as fault:
        raise InputError(f"{path} cannot be written ({fault.strerror})") from None


def _differences(module: ExportedFusion, path: Path, samples: list[Tensor]) -> dict[str, float]:
    """By output, how far the file is from the network on samples of other sizes.

    Raises:
        InputError: If the file does not run there, or is another network.
    """
    run = _run_onnx(path) if path.suffix == ".onnx" else _run_program(path)
    differences = dict.fromkeys(module.outputs, 0.0)
    for sources in samples:
        try:
            with torch.no_grad(), quiet():
                expected, found = module(sources), run(sources)
        except (RuntimeError, AssertionError) as fault:  # what the tracer took for granted
            raise _refusal(module.network, _first_line(fault)) from None
        for name, one, other in zip(differences, expected, found, strict=True):
            away = (one - other).abs()
            if (mean := away.mean().item()) > NEAR:  # of pixels that are chosen, a few may change
                raise _refusal(module.network, f"on another size it is {mean:.1e} off")
            differences[name] = max(differences[name], away.max().item())
    return differences


def _run_onnx(path: Path) -> Callable[[Tensor], Sequence[Tensor]]:
    try:
        from onnxruntime import InferenceSession
    except ImportError:
        raise InputError('comparing needs onnxruntime: pip install "fusionlab[onnx]"') from None
    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda x: [torch.from_numpy(one) for one in session.run(None, {"sources": x.numpy()})]


def _run_program(path: Path) -> Callable[[Tensor], Sequence[Tensor]]:
    with quiet():
        return torch.export.load(path).module()


@contextmanager
def quiet() -> Iterator[None]:
    """Without the notes of the tracer, which speak to its developers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
