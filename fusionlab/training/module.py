"""The LightningModule: a network, an objective, optional test-time dynamic fusion, metrics."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor

import fusionlab
from fusionlab.data.colour import grey_levels, to_luma, with_chroma
from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.losses import Objective
from fusionlab.metrics import ImageMean
from fusionlab.networks import FusionNetwork
from fusionlab.settings import TTD, Training
from fusionlab.training.dynamic import calibrated_channel, dynamic_fusion, seen_by
from fusionlab.training.optimization import build_optimizer, clip_each_group, restore_rates
from fusionlab.training.scoreboard import Scoreboard, Scores, TheoremLines
from fusionlab.training.theorem import against_truth, uni_source
from fusionlab.ttd import DynamicFusion, TestTimeDynamicFusion


class Fusion(NamedTuple):
    """What fusing a batch gave."""

    images: dict[str, Tensor]
    """The network's output by row, (B, C, H, W)."""
    milliseconds: dict[str, float]
    """Per image, by row."""
    dynamic: DynamicFusion | None
    features: Any
    """What ``network.encode`` gave."""


class FusionModule(L.LightningModule):
    """Trains and evaluates a fusion network.

    Args:
        network: The network, from ``create_network``.
        objective: Called with network, batch and epoch; None for evaluation only.
        training: The ``training`` group of the config; needed with an objective.
        ttd: Settings of test-time dynamic fusion; None for the static network only.
        stretch: Whether fused images are stretched to the full range; None as the authors do.
    """

    def __init__(
        self,
        network: FusionNetwork,
        objective: Objective | None = None,
        training: Training | None = None,
        ttd: TTD | None = None,
        stretch: bool | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.training_settings = training
        self.dynamic_options = None if ttd is None else asdict(ttd.resolved(network.takes_largest))
        self.stretch = network.stretched if stretch is None else stretch
        self.datasets: list[FusionDataset] = []  # that are evaluated
        self.boards: list[Scoreboard] = []  # one for each
        self.channels: dict[int, int] = {}  # of gradients, where each data set chose its own
        self.tested: list[Scores] = []

    def score_on(
        self, datasets: list[FusionDataset], metrics: Sequence[ImageMean], theorem: bool = False
    ) -> None:
        """Prepare a fresh scoreboard for each data set that will be evaluated, in order.

        Args:
            datasets: The data sets.
            metrics: Metrics of the fused images and their sources.
            theorem: Whether the theorem of TTD is measured too, if there is TTD.
        """
        rows, loss = ["static"], None
        if self.dynamic_options is not None:
            rows.append("ttd")
            loss = dynamic_fusion(self.network, self.dynamic_options).map_loss if theorem else None
        self.datasets = datasets
        self.boards = [Scoreboard(dataset, rows, metrics, loss) for dataset in datasets]

    def conventions(self) -> dict[str, str]:
        """What each metric computes, in one line, by the name of its column."""
        return {name: text for board in self.boards for name, text in board.conventions().items()}

    def headings(self) -> dict[str, str]:
        """Every metric with its convention, by the name of its column."""
        return {name: text for board in self.boards for name, text in board.headings().items()}

    def directions(self) -> dict[str, str]:
        """Which values are better, ``higher``, ``lower`` or ``zero``, by the same."""
        named = {True: "higher", False: "lower", None: "zero"}
        metrics = {name: one for board in self.boards for name, one in board.metrics.items()}
        return {name: named[one.higher_is_better] for name, one in metrics.items()}

    def on_validation_start(self) -> None:
        """Put the scoreboards on the device of this process; forget other weights' channels."""
        self.channels = {}
        for board in self.boards:
            board.to(self.device)

    def on_test_start(self) -> None:
        """The same."""
        self.on_validation_start()

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Sum of the objective's terms."""
        assert self.objective is not None
        terms = self.objective(self.network, batch, self.current_epoch)
        for name, value in terms.items():
            self.log(f"train/loss/{name}", value, batch_size=len(batch["sources"]), prog_bar=True)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss became {loss.item()} in epoch {self.current_epoch}; lower training.lr "
                "or set trainer.precision to 32-true"
            )
        return loss

    def on_train_start(self) -> None:
        """Go on with the rates of this training's schedule."""
        restore_rates(self.trainer)

    def configure_optimizers(self) -> Any:
        """One optimiser; each group of the objective's has its own learning rate."""
        assert self.objective is not None
        assert self.training_settings is not None
        groups = self.objective.parameter_groups(self.network)
        return build_optimizer(groups, self.training_settings, self.trainer)

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip each group of parameters by itself."""
        if gradient_clip_val is not None:
            clip_each_group(optimizer, gradient_clip_val)

    def fuse(
        self, batch: dict[str, Any], index: int = 0
    ) -> tuple[dict[str, Tensor], dict[str, float], Any]:
        """Fuse a batch statically and dynamically, encoding it once.

        Args:
            batch: The batch.
            index: Number of its data set.

        Returns:
            The network's output by row, (B, C, H, W); milliseconds per image by row; and the
            :class:`DynamicFusion`, or None.
        """
        return self._fuse(batch, index)[:3]

    def _fuse(self, batch: dict[str, Any], index: int) -> Fusion:
        """The same, with the features."""
        network = self.network
        sources = seen_by(network, batch["sources"])
        wrapper = self._dynamic_fusion(index)
        start = self._now()
        features = network.encode(sources)
        encoded = self._now()
        images = {"static": network.decode(network.combine(features), sources)}
        decoded = self._now()
        seconds = {"static": decoded - start}
        dynamic: DynamicFusion | None = None
        if wrapper is not None:
            dynamic = wrapper.fuse(features, sources, images["static"])
            images["ttd"] = dynamic.fused
            shared = decoded if wrapper.needs_static else encoded
            seconds["ttd"] = shared - start + self._now() - decoded
        milliseconds = {row: 1000 * s / len(sources) for row, s in seconds.items()}
        return Fusion(images, milliseconds, dynamic, features)

    def _dynamic_fusion(self, index: int) -> TestTimeDynamicFusion | None:
        """TTD of a data set; an automatic channel is chosen before its first image is fused."""
        if self.dynamic_options is None:
            return None
        dynamic = dynamic_fusion(self.network, self.dynamic_options)
        if dynamic.channel == "auto" and self.datasets:
            if index not in self.channels:
                dataset = self.datasets[index]
                self.channels[index] = calibrated_channel(dynamic, dataset, self.device)
            dynamic.channel = self.channels[index]
        return dynamic

    def test_step(
        self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Any]:
        """Fuse and score a batch; the images go to whoever writes them."""
        if batch_idx == 0:
            # warms up: the times of the first image would be wrong
            self.fuse(batch, dataloader_idx)
        return self._score(batch, dataloader_idx, "check checkpoint and precision")

    def on_test_epoch_end(self) -> None:
        """Gather the scores of all processes into ``tested``, one per data set."""
        self.tested = [board.scores() for board in self.boards]

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Fuse and score a batch."""
        self._score(batch, 0, "lower training.lr")

    def on_validation_epoch_end(self) -> None:
        """Log the mean of every metric, static and dynamic."""
        scores = self.boards[0].scores()
        for row in scores.fused_rows:
            prefix = "val" if row == "static" else f"val/{row}"
            for metric, value in scores.means(row).items():
                self.log(f"{prefix}/{metric}", value, prog_bar=metric in scores.truth_metrics)
        self.boards[0].reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in plain values which network the weights belong to."""
        checkpoint["hyper_parameters"] = {
            "name": self.network.name,
            "options": self.network.options,
            "fusionlab": fusionlab.__version__,
        }

    def viewable(self, image: Tensor, batch: dict[str, Any]) -> Tensor:
        """What a viewer sees of the network's output for a batch, (B, 3, H, W) in [0, 1]."""
        image = stretched(image) if self.stretch else image
        return viewable_image(image, batch["chroma"], in_rgb=batch["sources"].shape[2] == 3)

    def _score(self, batch: dict[str, Any], index: int, remedy: str) -> dict[str, Any]:
        fusion = self._fuse(batch, index)
        images, milliseconds, dynamic, _ = fusion
        board = self.boards[index]
        viewable, fused = {}, []
        for row, image in images.items():
            if not torch.isfinite(image).all():
                names = ", ".join(batch["id"])
                raise InputError(f"{names} fused to NaN or infinity ({row}); {remedy}")
            viewable[row] = self.viewable(image, batch)
            levels = grey_levels(viewable[row])
            fused.append(board.update(row, levels, batch, milliseconds[row]))
        alone = board.update_sources(batch)
        rows = [[*(row[k] for row in fused), *alone[k]] for k in range(len(alone))]
        theorem = None if board.theorem is None else self._theorem(batch, index, fusion)
        return {"images": viewable, "dynamic": dynamic, "rows": rows, "theorem": theorem}

    def _theorem(self, batch: dict[str, Any], index: int, fusion: Fusion) -> list[TheoremLines]:
        """Measure the theorem of TTD on a batch, which is no part of its time."""
        wrapper = self._dynamic_fusion(index)
        assert wrapper is not None
        assert fusion.dynamic is not None
        sources = seen_by(self.network, batch["sources"])
        components, losses = uni_source(wrapper, fusion.dynamic, fusion.features, sources)
        against = against_truth(batch, fusion.images, components)
        weights = fusion.dynamic.weights
        return self.boards[index].update_theorem(batch, weights, losses, against)

    def describe(self) -> dict[str, Any]:
        """What a result says of what made its images: plain values."""
        network = {**self.network.describe(), "stretch": self.stretch}
        ttd = self.dynamic_options
        if ttd is not None and self.channels:
            names = {self.datasets[index].name: n for index, n in self.channels.items()}
            ttd = {**ttd, "channels": names}
        return {"network": network, "ttd": ttd}

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def stretched(image: Tensor) -> Tensor:
    """(B, C, H, W), each image from its minimum to its maximum over [0, 1]; flat ones stay."""
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    return torch.where(high > low, (image - low) / (high - low).where(high > low, 1), image)


def viewable_image(fused: Tensor, chroma: Tensor, in_rgb: bool) -> Tensor:
    """What a viewer sees: colour put back, clamped.

    Args:
        fused: Output of a network, (B, 1, H, W) or (B, 3, H, W).
        chroma: Chroma of the sources, (B, 2, H, W) in [−0.5, 0.5]; 0 where all sources are grey.
        in_rgb: Whether the network saw colours, or luma, perhaps three times.

    Returns:
        (B, 3, H, W) in [0, 1]; three equal channels where all sources are grey.
    """
    fused = fused.float().clamp(0, 1) if fused.shape[1] == 3 else fused.float()
    luma = torch.stack([to_luma(image) for image in fused])
    if not in_rgb:
        return with_chroma(luma, chroma).clamp(0, 1)
    coloured = chroma.abs().amax((1, 2, 3), keepdim=True) > 0
    return torch.where(coloured, fused, luma)
