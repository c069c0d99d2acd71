"""The groups of a config except that of TTD."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from fusionlab.errors import InputError
from fusionlab.registry import LAYOUTS, NETWORKS, OBJECTIVES
from fusionlab.settings.checks import as_name, at_home, at_least, check_range, stays_inside

Task = Literal["vif", "mif", "mef", "mff"]
Cluster = Literal["slurm", "torchelastic", "lightning", "mpi", "lsf", "kubeflow"]


@dataclass
class Network:
    """The fusion network.

    Args:
        name: Fusion network; see fusionlab networks.
        checkpoint: File with its weights, ours or its authors', or its address (https://... or
            hf://owner/name/file). Default: evaluate and fuse take the one that the package carries,
            train starts from scratch.
        options: Arguments of that network, e.g. --network.options.rule mean.
        stretch: Stretch each fused image from its minimum to its maximum before it is saved and
            scored. Default: where the network's authors do (cddfuse).
    """

    name: str = "ifcnn"
    checkpoint: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    stretch: bool | None = None

    def __post_init__(self) -> None:
        """Check the name; keep apart what belongs beside the options."""
        NETWORKS.check("network.name", self.name)
        self.checkpoint = at_home(self.checkpoint)
        for name in ("name", "checkpoint"):
            if name in self.options:
                raise InputError(f"network.options.{name} is no option; set network.{name}")


@dataclass
class Data:
    """The images to fuse.

    Args:
        root: Folder with the images. Default: the scenes that the package builds itself.
        name: Named data set, see fusionlab data list, or the path of a manifest; the
            files in data.root are checked against it.
        verify_hashes: Whether that compares the files' hashes; sizes are compared in any case.
        split: Part of the data set, e.g. test: a subfolder of data.root (MSRS) or of each source's
            (LLVIP).
        task: vif (infrared-visible), mif (medical), mef (multi-exposure) or mff (multi-focus).
            Default: found from the names of the sources (vi and ir, under and over ...); of the
            built-in scenes, all.
        layout: How the folder is laid out: subfolders (vi/01.png ir/01.png), scenes
            (01/01_A.png 01/01_B.png), suffixes (01-A.png 01-B.png), a plug-in's; auto finds out.
        sources: Names of the sources, in order, e.g. [vi, ir] (subfolders or suffixes). Default:
            found in the folder.
        reference: Name of the ground truth (subfolder or suffix). Default: found by its usual
            names (gt, reference, full_clear ...).
        range: Stored value that is white, where 0 is black, e.g. 4095 for 12 bits in files of 16;
            auto for the smallest and the largest value of each source in the whole data set; or by
            source, or by the name of a folder of --fused, e.g. {ir: 16383}. Default: what the files
            say.
        page: Page (or frame, or slice) of files that hold several, from 1. Default: the first, and
            a note.
        labels: Folder with boxes (YOLO text, Pascal VOC XML, KAIST text) or masks, or a COCO JSON
            file. Default: found beside the sources (labels, Annotations, Segmentation_labels ...);
            none looks for none.
        classes: Names of the labels' classes, in order; or msrs, mfnet, fmb, fmb14, m3fd, llvip.
            Default: as the files say, or the name of the folder.
        resize: Whose size the images of a sample get where they differ: first, or smallest.
        align: How sources are laid onto the first one of their sample and cut to what all show, for
            hand-held cameras: translation (whole pixels) or homography.
            Default: they are refused.
        colour: What the network sees in evaluation and validation: luma, rgb, or auto (RGB where
            its authors fuse it).
        tile: Side of the tiles in which large images are fused, pixels; 0 fuses every image whole.
            Default: tiles where the whole would not fit into the free memory.
        batch_size: Most images of one size that are fused at once.
        workers: Processes that read images, or score them; 0 does it in the main one.
    """

    root: str | None = None
    name: str | None = None
    verify_hashes: bool = True
    split: str | None = None
    task: Task | None = None
    layout: str = "auto"
    sources: list[str | int] | None = None
    reference: str | None = None
    range: float | str | dict[str, float | str] | None = None
    page: int | None = None
    labels: str | None = None
    classes: list[str] | None = None
    resize: Literal["first", "smallest"] | None = None
    align: Literal["translation", "homography"] | None = None
    colour: Literal["auto", "luma", "rgb"] = "auto"
    tile: int | None = None
    batch_size: int = 1
    workers: int = 0

    def __post_init__(self) -> None:
        """Check what types cannot."""
        self.root, self.name = at_home(self.root), at_home(self.name)
        if self.sources is not None:
            self.sources = [as_name("data.sources", name) for name in self.sources]
        for name in self.sources or ():
            stays_inside("data.sources", str(name))
        if self.layout != "auto":
            LAYOUTS.check("data.layout", self.layout)
        if self.sources is not None and len(set(self.sources)) < max(1, len(self.sources)):
            raise InputError("data.sources must name one or more different sources")
        found_by = ("layout", "split", "sources", "reference")
        given = [name for name in found_by if getattr(self, name) not in (None, "auto")]
        if self.name is not None:
            if self.root is None:
                raise InputError(
                    f"data.name {self.name} needs data.root, the folder that holds it; "
                    "fusionlab data list says where to get it"
                )
            if given:
                raise InputError(f"data.{given[0]} is settled by data.name {self.name}; unset one")
        elif not self.verify_hashes:
            raise InputError("data.verify_hashes needs data.name, which says what to compare with")
        if given and self.root is None:
            raise InputError(f"data.{given[0]} needs data.root: built-in scenes have their own")
        check_range("data.range", self.range)
        if self.page is not None:
            at_least("data.page", self.page, 1)
        for name in ("range", "page", "resize", "align"):
            if getattr(self, name) is not None and self.root is None:
                raise InputError(f"data.{name} needs data.root: built-in scenes have their own")
        if self.tile is not None:
            at_least("data.tile", self.tile, 0)
        at_least("data.batch_size", self.batch_size, 1)
        at_least("data.workers", self.workers, 0)


BY_CHANNEL = ("vifb", "mefb")  # presets whose code bases score R, G and B one by one


@dataclass
class Metrics:
    """What is measured on the fused images.

    Args:
        preset: ttd (the TTD paper's table), vifb, mefb, linfeng, cddfuse (what these code bases
            report, as they compute it), or all (every metric by its own paper's definition).
        names: Metrics in place of a preset, perhaps with a convention, e.g. [EN, EI:mefb].
        colour: What is scored of coloured pictures: luma, or channels (R, G and B one by one, then
            their mean). Default: what the preset's code base does: channels for vifb and mefb,
            luma for all others.
    """

    preset: Literal["ttd", "vifb", "mefb", "linfeng", "cddfuse", "all"] = "ttd"
    names: list[str] | None = None
    colour: Literal["luma", "channels"] | None = None

    @property
    def by_channel(self) -> bool:
        """Whether R, G and B are scored one by one."""
        if self.colour is None:
            return self.names is None and self.preset in BY_CHANNEL
        return self.colour == "channels"


@dataclass
class Training:
    """How a network is trained.

    Args:
        objective: Name of what is minimised. Default: the network's own; illumination trains the
            classifier that the objective of piafusion needs.
        root: Folder to learn from. ifcnn, densefuse, defusion, defusionpp: photographs, searched
            with its subfolders; cddfuse, piafusion: pairs, laid out as data.root; illumination:
            day/ and night/, or visible images named as in MSRS. Default: what the package carries.
        limit: Use only the first photographs or pairs, by name; at most this many. Default: all.
        crop_size: Side of the square crops, pixels; densefuse: that of its resized photographs.
        stride: Pixels from one patch of a pair to the next. Default: crop_size, side by side.
        contrast: Patches are left out where a source has less, (P90 - P10)/P90 of its luma.
        batch_size: Crops in a batch, per device.
        batches_per_epoch: Batches between validations, per device. Default: one pass over the
            photographs or patches; 200 for ifcnn, whose crops have no end.
        optimizer: Name of an optimiser in torch.optim, in any case, e.g. sgd, adam, adamw.
        optimizer_options: Its further arguments, e.g. --training.optimizer_options.nesterov true.
        lr: Learning rate at the start.
        weight_decay: Weight decay of the optimiser.
        momentum: Momentum of optimisers that have one.
        schedule: Of the learning rate: polynomial (to 0 at the last step), halving (every
            halving_epochs, to 1/100 at most), late (constant for half of the epochs, then linearly
            to 0), constant, or the name of a schedule in torch.optim.lr_scheduler, in any case,
            which steps after every epoch.
        schedule_options: Arguments of a schedule of torch, e.g. {milestones: [10, 20]}.
        lr_power: Power of the polynomial schedule.
        halving_epochs: Epochs from one halving to the next.
        hold_batch_norm: Share of the steps after which batch norm keeps its statistics, which small
            batches make noisy; 1 never does.
        options: Arguments of the objective, e.g. --training.options.ssim_weight 1.
        workers: Processes that make crops; 0 makes them in the main one.
        warmup_steps: Steps in which the learning rate rises from 0 to what the schedule says.
        ema: Decay of an exponential moving average of the weights, e.g. 0.999: it is what is
            validated, kept and written in place of the weights. Default: none.
        patience: Validations without a better value after which the training stops, where the best
            epoch is kept. Default: none.
        freeze: Parts of the network that do not learn, by the names of its modules, e.g. conv1;
            their batch norm is held.
        compile: Whether torch.compile makes the training step faster, after a minute or more at the
            first one; needs a C++ compiler. Validation and what is saved are as without.
        samples_every: Validations from one time to the next that pictures of the first four samples
            are written, from the first on; 0 never writes any.
    """

    objective: str | None = None
    root: str | None = None
    limit: int | None = None
    crop_size: int = 32
    stride: int | None = None
    contrast: float = 0.0
    batch_size: int = 16
    batches_per_epoch: int | None = None
    optimizer: str = "sgd"
    optimizer_options: dict[str, Any] = field(default_factory=dict)
    lr: float = 0.01
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: str = "polynomial"
    schedule_options: dict[str, Any] = field(default_factory=dict)
    lr_power: float = 0.9
    halving_epochs: int = 20
    hold_batch_norm: float = 0.2
    options: dict[str, Any] = field(default_factory=dict)
    workers: int = 0
    warmup_steps: int = 0
    ema: float | None = None
    patience: int | None = None
    freeze: list[str] = field(default_factory=list)
    compile: bool = False
    samples_every: int = 5

    def __post_init__(self) -> None:
        """Check what types cannot."""
        self.root = at_home(self.root)
        paths = {k: at_home(v) for k, v in self.options.items() if isinstance(v, str)}
        self.options = {**self.options, **paths}
        if self.objective not in (None, "none"):
            OBJECTIVES.check("training.objective", str(self.objective))
        for name, least in (("crop_size", 16), ("batch_size", 1), ("halving_epochs", 1)):
            at_least(f"training.{name}", getattr(self, name), least)
        if self.ema is not None and not 0 < self.ema < 1:
            raise InputError(f"training.ema must be above 0 and below 1, got {self.ema}")
        for name in ("limit", "stride", "batches_per_epoch", "patience"):
            if getattr(self, name) is not None:
                at_least(f"training.{name}", getattr(self, name), 1)
        counts = ("workers", "samples_every", "warmup_steps")
        for name in ("lr", "lr_power", "momentum", "weight_decay", "contrast", *counts):
            at_least(f"training.{name}", getattr(self, name), 0)
        for name in ("hold_batch_norm", "contrast"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    f"training.{name} is at least 0, at most 1, got {getattr(self, name)}"
                )


@dataclass
class Trainer:
    """Passed to Lightning's Trainer under the same names.

    Args:
        accelerator: cpu, gpu, mps or auto.
        devices: How many devices, or which, e.g. 2 or "0,3"; auto takes all.
        num_nodes: How many machines.
        strategy: How devices share the work, e.g. ddp.
        precision: Floating-point precision, e.g. 32-true, 16-mixed, bf16-mixed.
        max_epochs: Epochs of a training.
        max_steps: Steps of a training; -1 leaves it to the epochs.
        check_val_every_n_epoch: Epochs from one validation to the next.
        gradient_clip_val: Largest norm of the gradient. Default: not clipped.
        accumulate_grad_batches: Batches per step of the optimiser.
        val_check_interval: Batches (int) or share of an epoch (float) from one validation to the
            next.
        log_every_n_steps: Steps from one line of the log to the next.
        logger: Whether the log is written as CSV.
        enable_checkpointing: Whether last.ckpt and best.ckpt are written; without them a training
            cannot go on.
        profiler: Where the time of a training goes: simple, advanced or pytorch.
        plugins: How processes find each other, where Lightning does not find out: slurm,
            torchelastic (torchrun), lightning, mpi, lsf, kubeflow.
        limit_train_batches: Batches (int) or share (float) of each training epoch.
        limit_val_batches: The same of each validation.
        limit_test_batches: The same of an evaluation.
        deterministic: Only deterministic algorithms.
        fast_dev_run: One batch of everything, nothing saved by Lightning.
    """

    accelerator: str = "auto"
    devices: int | str | list[int] = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    max_epochs: int = 12
    max_steps: int = -1
    check_val_every_n_epoch: int = 1
    gradient_clip_val: float | None = None
    accumulate_grad_batches: int = 1
    val_check_interval: int | float = 1.0
    log_every_n_steps: int = 10
    logger: bool = True
    enable_checkpointing: bool = True
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    plugins: list[Cluster] = field(default_factory=list)
    limit_train_batches: int | float = 1.0
    limit_val_batches: int | float = 1.0
    limit_test_batches: int | float = 1.0
    deterministic: bool = False
    fast_dev_run: bool = False

    def __post_init__(self) -> None:
        """Refuse what would train or evaluate nothing."""
        counts = ("max_epochs", "check_val_every_n_epoch", "accumulate_grad_batches")
        for name in (*counts, "num_nodes", "log_every_n_steps"):
            at_least(f"trainer.{name}", getattr(self, name), 1)
        if self.max_steps < 1 and self.max_steps != -1:
            raise InputError(f"trainer.max_steps must be at least 1, or -1, got {self.max_steps}")
        if self.gradient_clip_val is not None and not 0 < self.gradient_clip_val < math.inf:
            got = self.gradient_clip_val
            raise InputError(f"trainer.gradient_clip_val must be above 0, got {got}")
        limits = ("limit_train_batches", "limit_val_batches", "limit_test_batches")
        for name in (*limits, "val_check_interval"):
            if not getattr(self, name) > 0:
                raise InputError(f"trainer.{name} must be above 0, got {getattr(self, name)}")
