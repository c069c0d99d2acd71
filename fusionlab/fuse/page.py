"""The page of ``fusionlab app``: pictures dropped into a browser, fused on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fusionlab.errors import InputError
from fusionlab.fuse.inputs import named_sources, open_dataset
from fusionlab.fusing import Fuser, best_device, check_samples
from fusionlab.networks import create_network, list_networks
from fusionlab.networks.checkpoints import BUNDLED, bundled_checkpoint
from fusionlab.registry import NETWORKS
from fusionlab.runs.files import write_picture, write_rd_map
from fusionlab.runs.rd_colours import RDScale
from fusionlab.settings import TTD
from fusionlab.settings.ttd import TTD_PRESETS

STATIC, NAMES = "none", "from the file names"
TASKS = {NAMES: None, "visible and infrared": "vif", "medical": "mif", "exposures": "mef"}
TASKS |= {"focal planes": "mff"}


def usable_networks() -> list[str]:
    """Networks that need no file of weights: classical ones, and those with bundled weights."""
    return [name for name in list_networks() if not NETWORKS[name].trainable or _bundled(name)]


def _bundled(name: str) -> bool:
    try:
        bundled_checkpoint(name)
    except InputError:
        return False
    return True


def fuse_files(
    files: Sequence[str | Path],
    network: str,
    task: str | None,
    preset: str | None,
    checkpoint: str | None,
    folder: Path,
    names: Sequence[str] | None = None,
) -> dict[str, Path]:
    """Fuse files of one scene, and write what there is to see.

    Args:
        files: Two or more pictures of equal size.
        network: Its name.
        task: ``vif``, ``mif``, ``mef`` or ``mff``; None if the names of the files say it.
        preset: Of TTD; None for the static picture alone.
        checkpoint: File or address of weights; None for the bundled ones.
        folder: Where PNG files are written.
        names: Of the sources, in the order of the files; None for those of the files.

    Returns:
        The files by what they show: the static picture, with TTD, and RD of each source.

    Raises:
        InputError: If the input cannot be used.
    """
    if len(files) < 2:
        raise InputError("give two or more pictures of one scene")
    paths = [Path(one) for one in files]
    if names is None and len({one.stem for one in paths}) < len(paths):
        names = [str(k) for k in range(1, len(paths) + 1)]  # the folders of uploads have no meaning
    sources, settled = named_sources(paths, names, task)
    made = create_network(network, checkpoint or BUNDLED)
    fuser = Fuser(made.to(best_device()), settled)
    dataset, _ = open_dataset("images", sources, settled)
    check_samples(made, dataset)
    found = {"fused": folder / "fused.png"}
    write_picture(found["fused"], fuser(dataset[0]).fused)
    if preset is None:
        return found
    picture = fuser(dataset[0], TTD(preset))
    found["with TTD"] = folder / "fused_ttd.png"
    write_picture(found["with TTD"], picture.fused)
    assert picture.rd is not None
    scale = RDScale.of(len(picture.rd), [picture.rd])
    for name, rd in zip(picture.source_names, picture.rd, strict=True):
        found[f"RD of {name}, {scale}"] = folder / f"rd-{name}.png"
        write_rd_map(folder / f"rd-{name}.png", rd, scale)
    return found


def build_page() -> Any:
    """The page, as Gradio's Blocks.

    Raises:
        InputError: If Gradio is not installed.
    """
    try:
        import gradio
    except ImportError:
        raise InputError('the page is an extra: pip install "fusionlab[app]"') from None

    def run(
        files: list[str] | None, names: str, network: str, weights: str, task: str, preset: str
    ) -> tuple[list[tuple[str, str]], list[str]]:
        folder = Path(mkdtemp(prefix="fusionlab-"))
        chosen = None if preset == STATIC else preset
        try:
            given = (network, TASKS[task], chosen, weights.strip() or None)
            named = [one.strip() for one in names.split(",")] if names.strip() else None
            found = fuse_files(files or [], *given, folder, named)
        except InputError as fault:
            raise gradio.Error(str(fault), print_exception=False) from None
        shown = [(str(path), name) for name, path in found.items()]
        return shown, [path for path, _ in shown]

    with gradio.Blocks(title="fusionlab", analytics_enabled=False) as page:
        gradio.Markdown("# fusionlab\nFuse pictures of one scene. They stay on this machine.")
        with gradio.Row():
            with gradio.Column(scale=1):
                files = gradio.File(file_count="multiple", label="Two or more pictures")
                task = gradio.Dropdown(list(TASKS), value=NAMES, label="What they are")
                names = gradio.Textbox(
                    label="Names in the order of the files, as vi, ir; empty for the files' own"
                )
                network = gradio.Dropdown(
                    list_networks(), value="ifcnn", label="Network", info=_info()
                )
                weights = gradio.Textbox(label="Weights: file or address; empty for bundled ones")
                presets = [STATIC, *TTD_PRESETS]
                preset = gradio.Dropdown(presets, value="paper", label="Test-time dynamic fusion")
                button = gradio.Button("Fuse", variant="primary")
            with gradio.Column(scale=2):
                gallery = gradio.Gallery(
                    label="Result", columns=2, object_fit="contain", height="auto"
                )
                written = gradio.File(label="Download", file_count="multiple")
        given = [files, names, network, weights, task, preset]
        button.click(run, given, [gallery, written], api_name="fuse")
    return page


def _info() -> str:
    return f"Without weights of your own: {', '.join(usable_networks())}"


def serve(host: str, port: int | None, browse: bool) -> None:
    """Show the page until Ctrl-C."""
    page = build_page()
    page.launch(
        server_name=host,
        server_port=port,
        inbrowser=browse,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    print(f"{page.local_url} (Ctrl-C ends it)", flush=True)
    page.block_thread()
