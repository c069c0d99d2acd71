"""What is compared: networks, each perhaps with settings of TTD, and folders of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fusionlab.console import note
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.fused import FusedFolder
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED, LEARNED
from fusionlab.registry import NETWORKS
from fusionlab.runs.folder import file_stem
from fusionlab.runs.run import ALONE, Method
from fusionlab.settings import TTD
from fusionlab.settings import Method as MethodSettings
from fusionlab.settings.ttd import label, varied

BASELINES = {
    "vif": ("laplacian",),
    "mif": ("laplacian",),
    "mef": ("exposure_fusion",),
    "mff": ("guided_filter",),
}
SHOWN_TO_HELP = {  # presets, on data that they were not chosen on
    "mff": ("structure",),  # 8 real pairs, better with each of four weights: docs/ttd.md
}
RESERVED = ("sources", "rd", "decomposition", "labels")  # folders beside those of the methods


@dataclass
class NetworkMethods:
    """A network, and the same with each of some settings of TTD: they share its features.

    Args:
        name: What the network is called in tables.
        network: In evaluation mode.
        ttd: Settings of TTD, without lists, by the name of the method.
        colour: ``auto``, ``luma`` or ``rgb``.
        stretch: Whether its pictures are stretched; None as its authors do.
        tasks: The tasks on which it is evaluated; None for all.
        tile: Side of the tiles of large images; see :class:`Fuser`.
        ttd_tasks: The tasks of those settings that are not for all, by the name of the method.
    """

    name: str
    network: FusionNetwork
    ttd: dict[str, TTD] = field(default_factory=dict)
    colour: str = "auto"
    stretch: bool | None = None
    tasks: tuple[str, ...] | None = None
    tile: int | None = None
    ttd_tasks: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The methods, the static network first."""
        return [self.name, *self.ttd]

    def ttd_for(self, task: str) -> dict[str, TTD]:
        """The settings of TTD that are evaluated on a task."""
        named = self.ttd.items()
        return {name: one for name, one in named if task in self.ttd_tasks.get(name, (task,))}

    def is_for(self, task: str) -> bool:
        """Whether it is evaluated on a task."""
        return self.tasks is None or task in self.tasks

    def fuser(self, task: str, network: FusionNetwork | None = None) -> Fuser:
        """What fuses the samples of a task, perhaps with another copy of the network."""
        return Fuser(network or self.network, task, self.colour, self.stretch, self.tile)

    def describe(self, tasks: Sequence[str]) -> list[Method]:
        """What a result says of its methods.

        Raises:
            InputError: If the network does not take the colour, or a setting of TTD does not fit.
        """
        tasks = [task for task in tasks if self.is_for(task)]
        fuser = self.fuser(tasks[0])
        for ttd in self.ttd.values():
            fuser.dynamic(ttd)
        facts: dict[str, Any] = {
            "network": {**self.network.describe(), "stretch": fuser.stretch},
            "colour": {task: self.fuser(task).colour for task in tasks},
        }
        found = [Method(self.name, "network", facts=facts)]
        for name, ttd in self.ttd.items():
            settings = {"preset": ttd.preset, **ttd.resolved(self.network.max_rule).options()}
            if self.network.ttd_note and ttd.compare == "components":
                settings["note"] = self.network.ttd_note
            found.append(Method(name, "ttd", base=self.name, facts={**facts, "ttd": settings}))
        return found


def network_methods(
    name: str,
    network: FusionNetwork,
    settings: Sequence[TTD] = (),
    colour: str = "auto",
    stretch: bool | None = None,
) -> NetworkMethods:
    """A network with settings of TTD, whose lists become a setting each.

    Methods are called NAME, NAME+TTD or, with several settings, NAME+TTD (what they differ in).
    A network for which TTD is not offered is left static, and a note says so.

    Raises:
        InputError: If two settings are the same.
    """
    if settings and network.no_ttd:
        note(f"{name}: no TTD, since {network.no_ttd}; it is evaluated as it is")
        settings = ()
    every = [one for given in settings for one in given.combinations()]
    names = varied(every) if len(every) > 1 else []
    found: dict[str, TTD] = {}
    for one in every:
        text = label(one, names)
        method = f"{name}+TTD ({text})" if len(every) > 1 else f"{name}+TTD"
        if method in found:
            raise InputError(f"two settings of ttd are the same ({text}); take one out")
        found[method] = one
    return NetworkMethods(name, network, found, colour, stretch)


def add_helpful(methods: NetworkMethods, tasks: Sequence[str]) -> None:
    """Beside other settings of TTD, the presets that were shown to help on some of the tasks."""
    tasks = [task for task in tasks if methods.is_for(task)]
    for preset in dict.fromkeys(one for task in tasks for one in SHOWN_TO_HELP.get(task, ())):
        name = f"{methods.name}+TTD ({preset})"
        methods.ttd[name] = TTD(preset)
        methods.ttd_tasks[name] = tuple(
            task for task in tasks if preset in SHOWN_TO_HELP.get(task, ())
        )


def open_networks(
    given: Sequence[MethodSettings], settings: Sequence[TTD], colour: str
) -> list[NetworkMethods]:
    """The networks of a config, with their weights.

    Raises:
        InputError: If a checkpoint does not load or two methods have one name.
    """
    networks = [
        create_network(one.network, one.checkpoint or BUNDLED, **one.options) for one in given
    ]
    names = _names(given, networks)
    found = []
    for name, network, one in zip(names, networks, given, strict=True):
        ttd = settings if one.ttd else []
        methods = network_methods(name, network, ttd, one.colour or colour, one.stretch)
        found.append(replace(methods, tasks=tuple(one.tasks) if one.tasks else None))
    return found


def baselines(
    tasks: Sequence[str], colour: str = "auto", real: bool = False
) -> list[NetworkMethods]:
    """What a user of these tasks would try first, without TTD.

    Args:
        tasks: The tasks.
        colour: ``auto``, ``luma`` or ``rgb``.
        real: Whether the data are real, for which bundled networks learned.
    """
    wanted = {task: [*BASELINES[task], *(_learned(task) if real else ())] for task in tasks}
    found = []
    for name in dict.fromkeys(name for names in wanted.values() for name in names):
        network = create_network(name, BUNDLED)
        its_tasks = tuple(task for task in tasks if name in wanted[task])
        found.append(NetworkMethods(network.title(), network, colour=colour, tasks=its_tasks))
    return found


def _learned(task: str) -> list[str]:
    """Our own network of a task; ours of others' networks would be taken for their authors'."""
    name, _ = LEARNED.get(task, ("", ""))
    return [name] if name and not NETWORKS[name].published else []


def _names(given: Sequence[MethodSettings], networks: Sequence[FusionNetwork]) -> list[str]:
    titles = [network.title() for network in networks]
    names = []
    for one, own in zip(given, titles, strict=True):
        stem = Path(one.checkpoint).stem if one.checkpoint else BUNDLED
        several = titles.count(own) > 1
        names.append(one.name or (f"{own} ({stem})" if several else own))
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two methods are called {name}; give them a name each (methods.name)")
    return names


def all_methods(
    networks: Sequence[NetworkMethods],
    folders: Sequence[FusedFolder],
    datasets: Sequence[FusionDataset],
) -> list[Method]:
    """Every method of a run in the order of its tables: sources alone, folders, networks.

    Raises:
        InputError: If two have one name, or names that give one folder.
    """
    tasks = list(dict.fromkeys(dataset.task for dataset in datasets))
    sources = dict.fromkeys(
        name for dataset in datasets for names in dataset.source_names for name in names
    )
    found = [Method(name + ALONE, "source", source=name) for name in sources]
    found += [Method(one.name, "folder", facts={"folder": one.describe()}) for one in folders]
    found += [method for one in networks for method in one.describe(tasks)]
    folders_of = [file_stem(method.name).casefold() for method in found]
    for method, folder in zip(found, folders_of, strict=True):
        if folders_of.count(folder) > 1 or folder in RESERVED:
            raise InputError(f"{method.name}: another method has that name; rename one")
    return found


def given_networks(
    given: Mapping[str, FusionNetwork], settings: Sequence[TTD], colour: str = "auto"
) -> list[NetworkMethods]:
    """Networks of a user's own, by the names of the methods."""
    return [network_methods(name, one, settings, colour) for name, one in given.items()]
