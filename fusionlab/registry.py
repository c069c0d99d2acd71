"""Names of networks, objectives, metrics, layouts and TTD losses, and where each is defined.

No torch here: ``--help`` reads the names, and what a name stands for is imported when it is asked
for. Two ways lead in from outside the package:

- an entry point of an installed package, in the group of the registry::

      [project.entry-points."fusionlab.networks"]
      mine = "my_package.my_network:Mine"

- a file of one's own, given with ``--plugin my_network.py``, that registers what it defines::

      from fusionlab.registry import NETWORKS
      NETWORKS["mine"] = Mine
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module, invalidate_caches
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fusionlab.errors import InputError, did_you_mean


class Registry(MutableMapping[str, Any]):
    """What is known by name; ``registry[name]`` imports it.

    Args:
        kind: What its members are called in messages.
        group: Group of the entry points that add members.
        members: ``"module:object"`` by name.
    """

    def __init__(self, kind: str, group: str, members: dict[str, str]) -> None:
        self.kind, self.group = kind, group
        self._members: dict[str, Any] = dict(members)
        self._entry_points_read = False

    def __getitem__(self, name: str) -> Any:
        """The member of that name.

        Raises:
            InputError: If there is none, with a list of those there are; or if it is an entry
                point that cannot be imported.
        """
        member = self._known().get(self._key(name))
        if member is None:
            known = f"{', '.join(self)}{did_you_mean(name, self)}"
            raise InputError(f"unknown {self.kind} {name!r}; known: {known}")
        if isinstance(member, str):
            member = self._members[self._key(name)] = self._imported(name, member)
        return member

    def __setitem__(self, name: str, member: Any) -> None:
        self._members[self._key(name)] = member

    def __delitem__(self, name: str) -> None:
        del self._members[self._key(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._key(name) in self._known()

    def get(self, name: str, default: Any = None) -> Any:
        """The member of that name, or the default."""
        if name not in self:
            return default
        return self[name]

    def check(self, key: str, name: str) -> None:
        """Refuse a setting that names no member, without importing any.

        Raises:
            InputError: Naming the setting ``key`` and the members.
        """
        if name not in self:
            near = did_you_mean(name, self)
            raise InputError(f"{key} must be one of {', '.join(self)}, got {name!r}{near}")

    def _imported(self, name: str, place: str) -> Any:
        path, _, attribute = place.partition(":")
        try:
            module = import_module(path)
        except ImportError as fault:
            raise InputError(f"{self.kind} {name} cannot be imported: {fault}") from fault
        if not hasattr(module, attribute):
            raise InputError(f"{self.kind} {name} cannot be imported: {path} has no {attribute!r}")
        return getattr(module, attribute)

    @staticmethod
    def _key(name: str) -> str:
        return name.casefold()

    def _known(self) -> dict[str, Any]:
        if not self._entry_points_read:
            self._entry_points_read = True
            for point in entry_points(group=self.group):
                self._members.setdefault(self._key(point.name), point.value)
        return self._members


NETWORKS = Registry(
    "network",
    "fusionlab.networks",
    {
        "average": "fusionlab.networks.pixelwise:Average",
        "cddfuse": "fusionlab.networks.cddfuse:CDDFuse",
        "curvemef": "fusionlab.networks.curvemef:CurveMEF",
        "ddfm": "fusionlab.networks.ddfm:DDFM",
        "deepfuse": "fusionlab.networks.deepfuse:DeepFuse",
        "defusion": "fusionlab.networks.defusion:DeFusion",
        "defusionpp": "fusionlab.networks.defusionpp:DeFusionPP",
        "densefuse": "fusionlab.networks.densefuse:DenseFuse",
        "divfusion": "fusionlab.networks.divfusion:DIVFusion",
        "exposure_fusion": "fusionlab.networks.exposure_fusion:ExposureFusion",
        "ffmef": "fusionlab.networks.ffmef:FFMEF",
        "gacn": "fusionlab.networks.gacn:GACN",
        "gifnet": "fusionlab.networks.gifnet:GIFNet",
        "guided_filter": "fusionlab.networks.guided_filter:GuidedFilter",
        "holoco": "fusionlab.networks.holoco:HoLoCo",
        "ifcnn": "fusionlab.networks.ifcnn:IFCNN",
        "laplacian": "fusionlab.networks.laplacian:LaplacianPyramid",
        "maximum": "fusionlab.networks.pixelwise:Maximum",
        "mufusion": "fusionlab.networks.mufusion:MUFusion",
        "piafusion": "fusionlab.networks.piafusion:PIAFusion",
        "pmgi": "fusionlab.networks.pmgi:PMGI",
        "sage": "fusionlab.networks.sage:SAGE",
        "seafusion": "fusionlab.networks.seafusion:SeAFusion",
        "sesf": "fusionlab.networks.sesf:SESF",
        "ship": "fusionlab.networks.ship:SHIP",
        "stackmff": "fusionlab.networks.stackmff:StackMFF",
        "swinfuse": "fusionlab.networks.swinfuse:SwinFuse",
        "tcmoa": "fusionlab.networks.tcmoa:TCMoA",
        "timm": "fusionlab.networks.timm:TimmFusion",
        "u2fusion": "fusionlab.networks.u2fusion:U2Fusion",
        "wavelet": "fusionlab.networks.wavelet:DualTreeWavelet",
        "weightnet": "fusionlab.networks.weightnet:WeightNet",
    },
)

OBJECTIVES = Registry(
    "objective",
    "fusionlab.objectives",
    {
        "cddfuse": "fusionlab.losses.cddfuse:CDDFuseObjective",
        "curvemef": "fusionlab.losses.curvemef:CurveMEFObjective",
        "deepfuse": "fusionlab.losses.deepfuse:DeepFuseObjective",
        "defusion": "fusionlab.losses.defusion:DeFusionObjective",
        "defusionpp": "fusionlab.losses.defusionpp:DeFusionPPObjective",
        "defusionpp_mcud": "fusionlab.losses.defusionpp_mcud:DeFusionPPMCUDObjective",
        "densefuse": "fusionlab.losses.densefuse:DenseFuseObjective",
        "detect": "fusionlab.tasks.learning:DetectObjective",
        "divfusion": "fusionlab.losses.divfusion:DIVFusionObjective",
        "divfusion_decomposition": "fusionlab.losses.divfusion:DIVFusionDecompositionObjective",
        "ffmef": "fusionlab.losses.ffmef:FFMEFObjective",
        "gacn": "fusionlab.losses.gacn:GACNObjective",
        "gifnet": "fusionlab.losses.gifnet:GIFNetObjective",
        "holoco": "fusionlab.losses.holoco:HoLoCoObjective",
        "ifcnn": "fusionlab.losses.ifcnn:IFCNNObjective",
        "illumination": "fusionlab.losses.illumination:IlluminationObjective",
        "mufusion": "fusionlab.losses.mufusion:MUFusionObjective",
        "piafusion": "fusionlab.losses.piafusion:PIAFusionObjective",
        "pmgi": "fusionlab.losses.pmgi:PMGIObjective",
        "sage": "fusionlab.losses.sage:SAGEObjective",
        "seafusion": "fusionlab.losses.seafusion:SeAFusionObjective",
        "seafusion_segment": "fusionlab.tasks.guided:SeAFusionSegmentObjective",
        "segment": "fusionlab.tasks.learning:SegmentObjective",
        "sesf": "fusionlab.losses.sesf:SESFObjective",
        "ship": "fusionlab.losses.ship:SHIPObjective",
        "stackmff": "fusionlab.losses.stackmff:StackMFFObjective",
        "swinfuse": "fusionlab.losses.swinfuse:SwinFuseObjective",
        "synthetic_pairs": "fusionlab.losses.synthetic_pairs:SyntheticPairsObjective",
        "tcmoa": "fusionlab.losses.tcmoa:TCMoAObjective",
        "u2fusion": "fusionlab.losses.u2fusion:U2FusionObjective",
    },
)

LAYOUTS = Registry(
    "layout",
    "fusionlab.layouts",
    {
        "subfolders": "fusionlab.data.layouts.subfolders:find_subfolders",
        "scenes": "fusionlab.data.layouts.scenes:find_scenes",
        "suffixes": "fusionlab.data.layouts.suffixes:find_suffixes",
        "categories": "fusionlab.data.layouts.categories:find_categories",
    },
)

TTD_LOSSES = Registry(
    "TTD loss",
    "fusionlab.ttd_losses",
    {
        "l1": "fusionlab.ttd.losses:L1",
        "mse": "fusionlab.ttd.losses:MSE",
        "ssim": "fusionlab.ttd.losses:SSIM",
        "structure": "fusionlab.ttd.losses:STRUCTURE",
    },
)

METRICS = Registry(
    "metric",
    "fusionlab.metrics",
    {  # in the order of a table
        "en": "fusionlab.metrics.entropy:Entropy",
        "ce": "fusionlab.metrics.cross_entropy:CrossEntropy",
        "mi": "fusionlab.metrics.mutual_information:MutualInformation",
        "nmi": "fusionlab.metrics.mutual_information:NormalisedMutualInformation",
        "te": "fusionlab.metrics.tsallis:TsallisEntropy",
        "qncie": "fusionlab.metrics.nonlinear_correlation:NonlinearCorrelation",
        "fmi": "fusionlab.metrics.feature_mutual_information:FeatureMutualInformation",
        "sd": "fusionlab.metrics.standard_deviation:StandardDeviation",
        "cc": "fusionlab.metrics.correlation:CorrelationCoefficient",
        "scd": "fusionlab.metrics.correlation_differences:SumOfCorrelationsOfDifferences",
        "mse": "fusionlab.metrics.squared_error:MeanSquaredError",
        "psnr": "fusionlab.metrics.squared_error:PeakSignalNoiseRatio",
        "ag": "fusionlab.metrics.average_gradient:AverageGradient",
        "ei": "fusionlab.metrics.edge_intensity:EdgeIntensity",
        "sf": "fusionlab.metrics.spatial_frequency:SpatialFrequency",
        "q_sf": "fusionlab.metrics.zheng_spatial_frequency:ZhengSpatialFrequency",
        "qabf": "fusionlab.metrics.gradient_preservation:GradientPreservation",
        "labf": "fusionlab.metrics.fusion_artefacts:FusionLoss",
        "nabf": "fusionlab.metrics.fusion_artefacts:FusionArtefacts",
        "ssim": "fusionlab.metrics.structural_similarity:StructuralSimilarity",
        "ms_ssim": "fusionlab.metrics.multiscale_similarity:MultiscaleStructuralSimilarity",
        "mef_ssim": "fusionlab.metrics.exposure_similarity:ExposureSimilarity",
        "qs": "fusionlab.metrics.piella:FusionQuality",
        "qw": "fusionlab.metrics.piella:WeightedFusionQuality",
        "qe": "fusionlab.metrics.piella:EdgeFusionQuality",
        "qc": "fusionlab.metrics.cvejic:CovarianceSimilarity",
        "qy": "fusionlab.metrics.yang:AgreementSimilarity",
        "vif": "fusionlab.metrics.visual_information:VisualInformationFidelity",
        "viff": "fusionlab.metrics.visual_information_fusion:VisualInformationFidelityForFusion",
        "qp": "fusionlab.metrics.zhao:Zhao",
        "qcb": "fusionlab.metrics.chen_blum:ChenBlum",
        "qcv": "fusionlab.metrics.chen_varshney:ChenVarshney",
    },
)


def load_plugins(paths: Sequence[str]) -> list[str]:
    """Import files that register networks, objectives, metrics, layouts or TTD losses; each once.

    A file is imported under its own name, with its folder at the end of ``sys.path``: it may import
    its neighbours, and processes that are started later find what they are sent.

    Returns:
        The absolute paths.

    Raises:
        InputError: If a file is missing, cannot be imported or has another module's name.
    """
    found = []
    for text in paths:
        path = Path(text).expanduser().resolve()
        if path.suffix != ".py" or not path.is_file():
            raise InputError(f"no plugin {text}; give --plugin the path of a Python file")
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))
        invalidate_caches()
        spec = find_spec(path.stem) if path.stem.isidentifier() else None
        if spec is None or Path(spec.origin or "").resolve() != path:
            raise InputError(
                f"plugin {text} cannot be called {path.stem}: "
                f"{'another module is' if spec else 'it is no name of a module'}; rename the file"
            )
        try:
            import_module(path.stem)
        except (SyntaxError, ImportError) as fault:
            raise InputError(f"plugin {text} cannot be imported: {fault}") from None
        found.append(str(path))
    return found
