"""Networks on the Hugging Face Hub: a folder with weights and a model card that is generated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelHubMixin, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

import fusionlab
from fusionlab.errors import InputError
from fusionlab.networks import FusionNetwork, create_network, save_checkpoint
from fusionlab.networks.checkpoints import read_checkpoint, weights_sha256
from fusionlab.report.markdown import markdown
from fusionlab.runs.run import read_about

WEIGHTS = "model.safetensors"
REMEDY = "give owner/name, or a folder that save_pretrained wrote"


class HubNetwork(ModelHubMixin, library_name="fusionlab", tags=["image-fusion"]):
    """A network that can be pushed to the Hub and taken from it.

        HubNetwork(network, "runs/evaluate-…").push_to_hub("owner/name")
        network = HubNetwork.from_pretrained("owner/name").network

    ``save_pretrained(folder)`` writes what would be pushed; ``from_pretrained`` takes the folder
    too, and revision, token and offline mode as everything of huggingface_hub does.

    Args:
        network: From ``create_network``, which names it.
        run: Folder of a finished evaluation, or its summary, whose tables the card shows.
    """

    def __init__(
        self, network: FusionNetwork, run: str | Path | Mapping[str, Any] | None = None
    ) -> None:
        self.network = network
        # written as config.json, by whose requests the Hub counts downloads
        self._hub_mixin_config = {"network": network.name, "options": network.kept_options}
        self.summary = run if isinstance(run, Mapping) or run is None else read_about(Path(run))

    def _save_pretrained(self, save_directory: Path) -> None:
        save_checkpoint(self.network, save_directory / WEIGHTS)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        **model_kwargs: Any,
    ) -> HubNetwork:
        """The network of a repository or folder; further options are the network's.

        Weights and options are one file, so that there is no config beside it to be looked for.

        Raises:
            InputError: If it cannot be had, or holds no weights of fusionlab.
        """
        place = str(pretrained_model_name_or_path)
        path = Path(place) / WEIGHTS
        if not Path(place).is_dir():
            try:
                got = hf_hub_download(
                    place,
                    WEIGHTS,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    token=token,
                    local_files_only=local_files_only,
                )
            except (HfHubHTTPError, HFValidationError, OSError) as fault:
                reason = " ".join(str(fault).split())[:200] or type(fault).__name__
                raise InputError(f"{place}: {reason}; {REMEDY}") from None
            path = Path(got)
        name = read_checkpoint(path).network
        if name is None:
            raise InputError(f"{path} does not say which network it holds; {REMEDY}")
        return cls(create_network(name, path, **model_kwargs))

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The card: what the network is, how it is used, and what was measured."""
        return ModelCard(model_card(self.network, self.summary))


def model_card(network: FusionNetwork, summary: Mapping[str, Any] | None = None) -> str:
    """A model card as Markdown.

    Args:
        network: The network.
        summary: ``summary.json`` of an evaluation, whose tables are shown with the conventions of
            their metrics; None leaves the numbers out.
    """
    options = json.dumps(network.kept_options)
    order = ", ".join(dict.fromkeys(" then ".join(one) for one in network.source_order.values()))
    parts = [
        "---\nlibrary_name: fusionlab\npipeline_tag: image-to-image\ntags:\n- image-fusion\n---\n",
        f"# {type(network).__name__}\n",
        f"Image fusion network {network.paper and f'of {network.paper} '}for fusionlab.\n",
        "| | |\n|---|---|",
        f"| network | `{network.name}` |",
        f"| options | `{options}` |",
        f"| parameters | {sum(one.numel() for one in network.parameters()):,} |",
        f"| tasks | {', '.join(network.tasks) or 'any'} |",
        f"| sources | {network.source_count or 'any number'}{order and f', {order}'} |",
        f"| channels | {' or '.join(map(str, network.channels))} |",
        f"| SHA-256 of the weights | `{weights_sha256(network.state_dict())}` |",
        f"| licence of its authors' code and weights | {network.licence or 'unknown'} |\n",
        "Sources are (B, M, C, H, W) in [0, 1], registered; the output is (B, C, H, W), not "
        "clamped.\n",
        "```python\nimport fusionlab\nfrom fusionlab.hub import HubNetwork\n\n"
        'network = HubNetwork.from_pretrained("owner/name").network\n'
        f'fuser = fusionlab.Fuser(network, task="{(network.tasks or ("vif",))[0]}")\n'
        'fuser({"vi": "vi.png", "ir": "ir.png"}).save("fused.png")\n```\n',
        *(_numbers(summary) if summary else ()),
        f"Made with fusionlab {fusionlab.__version__}.\n",
    ]
    return "\n".join(parts)


def _numbers(summary: Mapping[str, Any]) -> list[str]:
    about = dict(summary)
    said = [f"- {name}: {one['convention']}" for name, one in about["metrics"].items()]
    return [
        *(markdown(about, one) for one in about["results"]),
        "How they are computed:\n",
        *said,
        "",
    ]
