"""The one road from sources to picture: evaluation, training, ``fuse``, figures and users take it.

fuser = Fuser(create_network("ifcnn", "bundled"), task="vif")
picture = fuser({"vi": "vi.png", "ir": "ir.png"})  # the static network
picture = fuser({"vi": "vi.png", "ir": "ir.png"}, TTD())  # with test-time dynamic fusion
picture.save("fused.png")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from fusionlab.console import note
from fusionlab.data.batches import collate
from fusionlab.data.colour import levels_luma, to_levels, to_luma
from fusionlab.data.dataset import FusionDataset, make_sample
from fusionlab.data.images import Noticed, read_image
from fusionlab.data.layouts.names import has_roles, places_of
from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, check_evaluation_mode
from fusionlab.networks.memory import free_memory
from fusionlab.registry import OBJECTIVES
from fusionlab.settings.ttd import OBJECTIVE, TTD
from fusionlab.ttd import DynamicFusion, Encoded, TestTimeDynamicFusion, TiledEncoded, calibrate
from fusionlab.ttd.encoded import at_places
from fusionlab.ttd.tiles import least_tile, usual_tile
from fusionlab.viewing import Viewer

CALIBRATION_SAMPLES = 4  # the first of a data set
DYNAMIC = 2  # times the memory of the static network, with TTD
GB = 1e9  # bytes
SHARE = 0.5  # of the free memory that a network may take
SMALLEST_TILE = 384  # side, where the memory settles it
FAR = 9.0  # grey ranges below black or above white, from which on a fused image is told of


@dataclass  # not frozen: Lightning moves what is predicted
class Picture:
    """What a network makes of one sample of M sources.

    Args:
        fused: What a viewer sees and a metric measures, (3, H, W) uint8; three equal channels
            where all sources are grey.
        output: The network's own output, (1, H, W) or (3, H, W), unclamped.
        milliseconds: Time it took, without reading, colour and the transfer to the device; of a
            batch, its share.
        source_names: Names of the sources.
        rd: Relative Dominability, (M, H, W), summing to 1; None for the static network, as what
            follows.
        losses: Reconstruction losses, (M, H, W), ≥ 0.
        components: What was compared with the sources, (M, C, H, W), unclamped; None too of an
            image that is fused in tiles.
        common: Of a network that decomposes, on request, what all sources show, as a viewer sees
            it, (3, H, W) uint8; None otherwise, as what follows.
        unique: What each source shows alone, (M, 3, H, W) uint8.
        shown: The picture before it was rounded to 8 bits, (3, H, W), about [0, 1]; of a Fuser
            that is asked for it.
    """

    fused: Tensor
    output: Tensor
    milliseconds: float
    source_names: tuple[str, ...]
    rd: Tensor | None = None
    losses: Tensor | None = None
    components: Tensor | None = None
    common: Tensor | None = None
    unique: Tensor | None = None
    shown: Tensor | None = None

    @property
    def grey(self) -> Tensor:
        """What a metric sees, (1, H, W) uint8: the luma of the 8-bit picture."""
        return levels_luma(self.fused)

    @property
    def image(self) -> Image.Image:
        """The picture for Pillow, grey if all sources are."""
        levels = self.fused.cpu()
        if (levels == levels[:1]).all():
            return Image.fromarray(levels[0].numpy())
        return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())

    def save(self, path: str | Path) -> None:
        """Write the picture; the ending of the path says in which format."""
        self.image.save(path)


class Fuser:
    """Fuses samples with a network as its authors do.

    Range, RGB or luma, repeated luma, padding, least size and min–max stretch are the network's
    declarations and are applied here, nowhere else. The network is not changed.

    Args:
        network: In evaluation mode.
        task: ``vif``, ``mif``, ``mef`` or ``mff``.
        colour: ``luma``, ``rgb``, or ``auto``: RGB where the network's authors fuse it.
        stretch: Whether fused pictures are stretched to the full range; None as its authors do.
        tile: Side of the tiles in which an image is fused, pixels; 0 fuses every image whole; None
            takes tiles where the whole would not fit into the memory that is free, if they make
            the same picture.
        deep: Whether pictures keep what is shown before it is rounded to 8 bits.

    Raises:
        InputError: If the network does not take that colour, or is in training mode.
    """

    def __init__(
        self,
        network: FusionNetwork,
        task: str,
        colour: str = "auto",
        stretch: bool | None = None,
        tile: int | None = None,
        deep: bool = False,
    ) -> None:
        self.network, self.task, self.tile = network, task, tile
        self._told = False  # that tiles are taken
        self.colour = settle_colour(network, task, colour)
        self.stretch = network.min_max_stretch if stretch is None else stretch
        self.viewer, self.deep = Viewer(network, self.colour, self.stretch), deep

    def __call__(
        self,
        sample: Mapping[str, Any] | Sequence[Any],
        ttd: TTD | str | None = None,
        decompose: bool = False,
    ) -> Picture:
        """Fuse one sample.

        Args:
            sample: One of a :class:`FusionDataset`; or images by the names of their sources, in
                order: paths, or tensors (1, H, W) or (3, H, W) in [0, 1].
            ttd: Settings of test-time dynamic fusion, or the name of a preset; None for the static
                network. What is automatic in them is chosen on this sample alone; see
                :meth:`calibrate`.
            decompose: Whether the common and the unique images are wanted too.

        Raises:
            InputError: If the images do not fit together or the network, or the result is not
                finite, or the network does not decompose and shall.
        """
        one = self._as_sample(sample)
        settings = TTD(ttd) if isinstance(ttd, str) else ttd
        if settings is not None:
            settings = self.calibrate([one], settings.single())
        (pictures,) = self.fuse_batch(collate([one]), [settings], decompose)
        return pictures[0]

    @torch.inference_mode()
    def calibrate(self, data: FusionDataset | Iterable[dict[str, Any]], ttd: TTD) -> TTD:
        """Settings with an automatic temperature and channel chosen on a data set.

        They are chosen without labels, on its first four samples, once for all of it.

        Args:
            data: The data set, or samples of one.
            ttd: The settings.
        """
        if not ttd.needs_calibration:
            return ttd
        samples = (
            map(data.__getitem__, range(len(data))) if isinstance(data, FusionDataset) else data
        )
        encoded = [self.encode(collate([one])) for one in islice(samples, CALIBRATION_SAMPLES)]
        return calibrate(self.dynamic(ttd), encoded)

    @torch.inference_mode()
    def fuse_batch(
        self, batch: dict[str, Any], settings: Sequence[TTD | None], decompose: bool = False
    ) -> Iterator[list[Picture]]:
        """Fuse a batch of samples of one shape, encoded once for all settings.

        Args:
            batch: As :func:`~fusionlab.data.batches.collate` makes it.
            settings: Calibrated settings of TTD; None for the static network.
            decompose: As for :meth:`__call__`.

        Yields:
            The pictures of the batch, for each of the settings.

        Raises:
            InputError: If a result is not finite.
        """
        encoded = self.encode(batch)
        for ttd in settings:
            yield self.pictures(batch, encoded, ttd, decompose)

    def encode(self, batch: dict[str, Any]) -> Encoded | TiledEncoded:
        """The samples of a batch as the network takes them, ready to be encoded.

        Raises:
            InputError: If the network does not take them.
        """
        if self.network.training:
            raise InputError("the network is in training mode; call network.eval() first")
        check_evaluation_mode(self.network)  # a user may have called train() on a part
        try:
            sources = self.network_input(batch["sources"])
            order = self._order(batch["source_names"], sources.device)
            side = self.tile_side(sources)
            if side and self.tile is None and not self._told:
                self._told = True
                note(
                    f"{', '.join(batch['id'])}: fused in tiles of {side} pixels, since the whole "
                    "may not fit into the free memory; tile 0 fuses it whole"
                )
            if side:
                return TiledEncoded(self.network, sources, side, self.task, order)
            return Encoded(self.network, sources, self.task, order)
        except ValueError as fault:
            raise InputError(f"{', '.join(batch['id'])}: {fault}") from None

    def tile_side(self, sources: Tensor) -> int:
        """Side of the tiles in which sources (B, M, C, H, W) are fused; 0 where none are needed."""
        height, width = sources.shape[-2:]
        network, count = self.network, sources.shape[0] * sources.shape[1]
        if network.steps > 1 and self.tile:  # a sampler draws noise for the whole image
            raise InputError(f"{network.name} samples whole images; leave out tile")
        if self.tile is not None:
            return self.tile if 0 < self.tile < max(height, width) else 0
        per_pixel = DYNAMIC * network.bytes_per_pixel * max(1.0, count / 2)
        free, needed = free_memory(sources.device), per_pixel * height * width
        if needed <= SHARE * free:
            return 0
        if network.steps == 1 and network.is_local_at((height, width)):
            side = min(usual_tile(network), int((SHARE * free / per_pixel) ** 0.5))
            return max(SMALLEST_TILE, least_tile(network), side)
        if needed <= free:
            return 0
        raise InputError(
            f"{network.name} may need {needed / GB:.1f} GB for {width}x{height} pixels, and "
            f"{free / GB:.1f} GB are free; {self._no_tiles()}, or use a machine with more memory"
        )

    def _no_tiles(self) -> str:
        """Why a network is fused in tiles on request alone, and how to request it."""
        if self.network.steps > 1:
            return "it samples whole images: set tile to 0 to try it"
        side = usual_tile(self.network)
        return (
            f"it looks at images as a whole, so tiles give another picture: set tile to {side} to "
            "accept that, to 0 to try the whole"
        )

    def network_input(self, sources: Tensor) -> Tensor:
        """Sources of samples, (B, M, C, H, W) in [0, 1], as the network takes them."""
        like = next(self.network.parameters(), sources)
        sources = sources.to(like.device)  # first: devices round the luma differently
        if self.colour == "luma":
            if sources.shape[2] > 1:
                images = torch.stack([to_luma(image) for image in sources.flatten(0, 1)])
                sources = images.unflatten(0, sources.shape[:2])
            if self.network.rounds_luma:
                sources = to_levels(sources).to(sources) / 255
            if self.network.repeats_luma:
                sources = sources.expand(-1, -1, 3, -1, -1)
        else:
            sources = sources.expand(-1, -1, 3, -1, -1)
        return sources.to(like.dtype)

    def ordered_input(self, batch: dict[str, Any]) -> Tensor:
        """Sources of a batch, (B, M, C, H, W), as the network takes them, in its authors' order.

        Unlike :meth:`encode`, what the network makes of them is not put back into the data's.
        """
        sources = self.network_input(batch["sources"])
        order = self._order(batch["source_names"], sources.device)
        return sources if order is None else at_places(sources, order)

    def _order(self, names: Sequence[Sequence[str]], device: torch.device) -> Tensor | None:
        """Places of the sources of each sample in its authors' order, (B, M); None to keep them."""
        wanted = self.network.source_order.get(self.task)
        places = [places_of(wanted, own) for own in names] if wanted else []
        if all(own == sorted(own) for own in places):
            return None
        return torch.tensor(places, device=device)

    def dynamic(self, ttd: TTD) -> TestTimeDynamicFusion:
        """The network with these settings of TTD."""
        objective = network_objective(self.network) if ttd.loss == OBJECTIVE else None
        return TestTimeDynamicFusion(self.network, ttd, objective=objective)

    def viewable(self, output: Tensor, chroma: Tensor) -> Tensor:
        """What a viewer sees in 8 bits, (B, 3, H, W) uint8; see :meth:`Viewer.bands`."""
        return self.viewer.levels(output, chroma)

    @torch.inference_mode()
    def pictures(
        self,
        batch: dict[str, Any],
        encoded: Encoded | TiledEncoded,
        ttd: TTD | None,
        decompose: bool = False,
    ) -> list[Picture]:
        """The pictures of a batch that :meth:`encode` has encoded; as :meth:`__call__`."""
        if decompose:
            check_decomposes(self.network)
        found: DynamicFusion | None = None
        with encoded.timed() as seconds:
            if ttd is None:
                output = encoded.static
            else:
                found = self.dynamic(ttd).fuse(encoded)
                output = found.fused
        _check_range(output, batch["id"], "statically" if ttd is None else "with TTD")
        milliseconds = 1000 * seconds.value / len(output)
        shown = self.viewer.shown(output, batch["chroma"]) if self.deep else None
        fused = self.viewable(output, batch["chroma"]) if shown is None else to_levels(shown)
        pictures = []
        for k, names in enumerate(batch["source_names"]):
            maps: dict[str, Tensor] = {}
            if found is not None:
                maps = {
                    "rd": found.rd[k, :, 0].float(),
                    "losses": found.losses[k, :, 0].float(),
                }
                if found.components is not None:
                    maps["components"] = found.components[k].float()
            if shown is not None:
                maps["shown"] = shown[k]
            own = output[k].float()
            pictures.append(Picture(fused[k], own, milliseconds, tuple(names), **maps))
        if decompose:
            self._add_decomposition(pictures, encoded, batch["chroma"])
        return pictures

    def _add_decomposition(
        self, pictures: list[Picture], encoded: Encoded | TiledEncoded, chroma: Tensor
    ) -> None:
        """TTD changes nothing of it. Where luma is fused it is grey, as where sources are."""
        common, unique = encoded.decomposition
        coloured = chroma.abs().amax((1, 2, 3)).cpu() > 0
        for k, picture in enumerate(pictures):
            images = torch.cat([common[k : k + 1], unique[k]]).float().clamp(0, 1)
            if self.colour == "luma" or not coloured[k]:
                images = torch.stack([to_luma(image) for image in images])
            levels = to_levels(images).expand(-1, 3, -1, -1)
            picture.common, picture.unique = levels[0], levels[1:]

    def _as_sample(self, sample: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
        if isinstance(sample, Mapping) and "source_names" in sample:
            return dict(sample)
        named = (
            sample
            if isinstance(sample, Mapping)
            else {str(k): one for k, one in enumerate(sample, 1)}
        )
        images = [
            one.float() if isinstance(one, Tensor) else _read(name, Path(one))
            for name, one in named.items()
        ]
        sizes = {tuple(image.shape[-2:]) for image in images}
        if len(sizes) != 1:
            found = ", ".join(
                f"{name} {tuple(image.shape)}" for name, image in zip(named, images, strict=True)
            )
            raise InputError(f"the sources differ in size ({found}); register them first")
        return make_sample(images, list(named), self.task, ", ".join(named))


def check_decomposes(network: FusionNetwork) -> None:
    """Refuse a network without common and unique images.

    Raises:
        InputError: If it is one.
    """
    if not network.decomposes:
        name = network.name or type(network).__name__
        raise InputError(
            f"{name} makes no common and unique images; set network.name to defusion or defusionpp"
        )


def _check_range(output: Tensor, names: Sequence[str], how: str) -> None:
    """Say which fused images have left the range of the sources by so far that they show nothing.

    Args:
        output: The network's output, (B, C, H, W).
        names: Of the samples.
        how: How they were fused.

    Raises:
        InputError: If it is not finite.
    """
    lows, highs = output.flatten(1).aminmax(dim=1)
    if not (torch.isfinite(lows) & torch.isfinite(highs)).all():
        raise InputError(
            f"{', '.join(names)} fused {how} to NaN or infinity; check the checkpoint and the "
            "precision"
        )
    for name, low, high in zip(names, lows.tolist(), highs.tolist(), strict=True):
        if low < -FAR or high > 1 + FAR:
            note(
                f"{name} fused {how} reaches from {low:.3g} to {high:.3g}, far outside [0, 1]: "
                "look at the picture; the checkpoint or ttd.temperature may not fit"
            )


def _read(name: str, path: Path) -> Tensor:
    """A source of a file, with a note of what is odd in it."""
    noticed = Noticed()
    image = read_image(path, noticed=noticed)
    for line in noticed.lines(name):
        note(line)
    return image


def best_device() -> torch.device:
    """The GPU if there is one, as an evaluation takes it, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def check_samples(network: FusionNetwork, dataset: FusionDataset) -> None:
    """Refuse samples that a network does not take, before anything is computed.

    Raises:
        InputError: Naming the first of them.
    """
    least = network.minimum_size
    for name, sources, (height, width) in zip(
        dataset.ids, dataset.source_names, dataset.sizes, strict=True
    ):
        if network.source_count not in (None, len(sources)):
            raise InputError(
                f"{network.name} takes exactly {network.source_count} sources, {name} in "
                f"{dataset.name} has {len(sources)}; choose other data or another network"
            )
        if min(height, width) < least:
            raise InputError(
                f"{name} in {dataset.name} is {width}x{height} pixels, {network.name} takes "
                f"{least}x{least} or more; leave it out or choose another network"
            )


def order_notes(network: FusionNetwork, dataset: FusionDataset) -> list[str]:
    """A line if the order of the sources matters to a network, and their names do not tell it."""
    wanted = network.source_order.get(dataset.task, ())
    unknown = [names for names in dataset.source_names if wanted and not has_roles(wanted, names)]
    if not unknown:
        return []
    return [
        f"{network.name} takes {', '.join(wanted)} in this order; {', '.join(unknown[0])} of "
        f"{dataset.name} are given in theirs: name them so if that is wrong"
    ]


def settle_colour(network: FusionNetwork, task: str, colour: str = "auto") -> str:
    """``luma`` or ``rgb``: what a network sees on a task.

    Raises:
        InputError: If the network does not take what is wanted.
    """
    settled = ("rgb" if task in network.rgb_tasks else "luma") if colour == "auto" else colour
    if settled not in ("luma", "rgb"):
        raise InputError(f"colour must be auto, luma or rgb, got {colour!r}")
    given = 3 if settled == "rgb" or network.repeats_luma else 1
    if given not in network.channels:
        takes = " or ".join(map(str, network.channels))
        raise InputError(f"colour is {settled}, but the network takes {takes} channels")
    return settled


def network_objective(network: FusionNetwork) -> Callable[[Tensor, Tensor], Tensor] | None:
    """What a network was trained with, as far as it holds an image against itself; else None."""
    if not network.objective:
        return None
    return OBJECTIVES[network.objective].reconstruction
