"""The page of ``fusionlab app``: pictures dropped into a browser, fused on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from shutil import make_archive
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from fusionlab.errors import InputError
from fusionlab.evaluation.api import evaluate
from fusionlab.fuse.inputs import named_sources, open_dataset
from fusionlab.fusing import best_device
from fusionlab.networks import list_networks
from fusionlab.networks.checkpoints import bundled_checkpoint
from fusionlab.registry import NETWORKS
from fusionlab.report.html import write_report
from fusionlab.runs.files import link
from fusionlab.runs.folder import file_stem
from fusionlab.runs.run import Run
from fusionlab.settings.ttd import TTD_PRESETS

STATIC, NAMES = "none", "from the file names"
TASKS = {NAMES: None, "visible and infrared": "vif", "medical": "mif", "exposures": "mef"}
TASKS |= {"focal planes": "mff"}
ADDRESS = "reports"  # where the server shows the folders of runs
FRAME = '<iframe id="result" title="Result" src="{}" style="width: 100%; height: 94vh"></iframe>'
TO_RESULT = '() => document.getElementById("result").scrollIntoView()'
VIEWER = "index.html#image-1"  # the report, its viewer open


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
    networks: Sequence[str],
    task: str | None,
    preset: str | None,
    checkpoint: str | None,
    folder: Path,
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Fuse files of one scene, and write what there is to see: a run folder with its report.

    Args:
        files: Two or more pictures of equal size.
        networks: Their names.
        task: ``vif``, ``mif``, ``mef`` or ``mff``; None if the names of the files say it.
        preset: Of TTD; None for the static pictures alone.
        checkpoint: File or address of the weights of the first network; None for the bundled ones.
        folder: The run folder.
        names: Of the sources, in the order of the files; None for those of the files.

    Returns:
        The fused pictures, the maps of RD, and the report as one file.

    Raises:
        InputError: If the input cannot be used.
    """
    if len(files) < 2:
        raise InputError("give two or more pictures of one scene")
    if not networks:
        raise InputError("choose a network")
    paths = [Path(one) for one in files]
    if names is None and len({one.stem for one in paths}) < len(paths):
        names = [str(k) for k in range(1, len(paths) + 1)]  # the folders of uploads have no meaning
    sources, settled = named_sources(paths, names, task)
    dataset, _ = open_dataset("images", sources, settled)
    first, *others = networks
    methods = [f"{first}@{checkpoint}" if checkpoint else first, *others]
    evaluate(methods, dataset, ttd=preset, output=folder, device=best_device())
    write_report(folder)
    run = Run.open(folder)
    (sample,) = run.samples
    found = {one.name: sample.picture(one.name) for one in run.methods if one.kind != "source"}
    for method in sample.rd:
        found |= {f"RD-{source}-{method}": sample.rd_map(method, source) for source in sources}
    named = [folder / f"{file_stem(name)}.png" for name in found]
    for path, target in zip(found.values(), named, strict=True):
        link(folder / path, target)
    archive = make_archive(str(folder / "report"), "zip", folder, "report")
    return [*named, Path(archive)]


def build_page(runs: Path) -> Any:
    """The page, as Gradio's Blocks.

    Args:
        runs: Folder of the run folders, which the server shows below ``ADDRESS``.

    Raises:
        InputError: If Gradio is not installed.
    """
    try:
        import gradio
    except ImportError:
        raise InputError('the page is an extra: pip install "fusionlab[app]"') from None

    def run(
        files: list[str] | None,
        names: str,
        networks: list[str],
        weights: str,
        task: str,
        preset: str,
    ) -> tuple[str, list[str]]:
        folder = Path(mkdtemp(dir=runs))
        chosen = None if preset == STATIC else preset
        try:
            given = (networks, TASKS[task], chosen, weights.strip() or None)
            named = [one.strip() for one in names.split(",")] if names.strip() else None
            written = fuse_files(files or [], *given, folder, named)
        except InputError as fault:
            raise gradio.Error(str(fault), print_exception=False) from None
        shown = f"{ADDRESS}/{folder.name}/report/{VIEWER}"
        return FRAME.format(shown), [str(path) for path in written]

    with gradio.Blocks(title="fusionlab", analytics_enabled=False, fill_width=True) as page:
        gradio.Markdown("# fusionlab\nFuse pictures of one scene. They stay on this machine.")
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                files = gradio.File(file_count="multiple", label="Two or more pictures")
                task = gradio.Dropdown(list(TASKS), value=NAMES, label="What they are")
                names = gradio.Textbox(
                    label="Names in the order of the files, as vi, ir; empty for the files' own"
                )
                networks = gradio.Dropdown(
                    list_networks(),
                    value=["ifcnn", "laplacian"],
                    multiselect=True,
                    label="Networks and classical methods",
                    info=f"Without weights of your own: {', '.join(usable_networks())}",
                )
                weights = gradio.Textbox(
                    label="Weights of the first: file or address; empty for bundled ones"
                )
                presets = [STATIC, *TTD_PRESETS]
                preset = gradio.Dropdown(presets, value="paper", label="Test-time dynamic fusion")
                button = gradio.Button("Fuse", variant="primary")
            with gradio.Column(scale=3, min_width=300):
                result = gradio.HTML("What is fused will be shown here.", label="Result")
                written = gradio.File(label="Download", file_count="multiple", interactive=False)
        given = [files, names, networks, weights, task, preset]
        clicked = button.click(run, given, [result, written], api_name="fuse")
        clicked.success(js=TO_RESULT)
    return page


def serve(host: str, port: int | None, browse: bool) -> None:
    """Show the page until Ctrl-C; what was dropped and fused is deleted then.

    Raises:
        InputError: If Gradio is not installed.
    """
    with TemporaryDirectory(prefix="fusionlab-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder, "files"))  # what is dropped and downloaded
        runs = Path(folder, "runs")
        runs.mkdir()
        page = build_page(runs)
        from starlette.routing import Mount  # comes with Gradio
        from starlette.staticfiles import StaticFiles

        page.launch(
            server_name=host,
            server_port=port,
            inbrowser=browse,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            app_kwargs={"routes": [Mount(f"/{ADDRESS}", StaticFiles(directory=runs))]},
        )
        print(f"{page.local_url} (Ctrl-C ends it)", flush=True)
        page.block_thread()
