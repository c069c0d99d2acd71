"""Multi-exposure scenes: photographs under a light that no single exposure can hold.

``radiance = photograph ** 2.2 * 2 ** light`` with a map of the light in stops; an exposure of t
stops is ``clip(radiance * 2 ** t + noise) ** (1 / 2.2)``. Where t cancels the light it shows the
photograph, which is therefore the reference: what is seen as if the light were even.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.scenes import outlines
from fusionlab.data.scenes.scene import Scene, make_scene, scene_photograph
from fusionlab.data.shapes import grid, polygon, smooth_noise, soften

GAMMA = 2.2
SHOT_NOISE = 2e-4  # variance per unit of linear signal
READ_NOISE = 5e-4  # standard deviation, linear
BLACK, WHITE = 0.03, 0.94  # of the reference, so that it clips nowhere
PAIR = {"under": -2.0, "over": 2.0}  # exposures, in stops
BRACKET = {"under": -3.0, "middle": 0.0, "over": 3.0}


def multi_exposure_scenes() -> tuple[Scene, ...]:
    """All scenes of task ``mef``."""
    return (_astronaut(), _motorcycle(), _coffee(), _camera())


def _astronaut() -> Scene:
    """A portrait against the light: the background is bright, the astronaut in the shade."""
    size = (320, 320)
    matte = soften(outlines.astronaut(size), 1.5)
    return _exposed("astronaut", scene_photograph("astronaut", size), 2.0 - 4.0 * matte, 0, PAIR)


def _motorcycle() -> Scene:
    """A garage lit from an open door on the right, at three exposures."""
    size = (250, 371)
    x, _ = grid(size)
    x = x + 0.2 * (smooth_noise(size, 4, np.random.default_rng(1)) - 0.5)
    light = 1.5 * torch.tanh(14 * (x - 0.30)) + 1.5 * torch.tanh(14 * (x - 0.68))
    return _exposed("motorcycle", scene_photograph("stereo_motorcycle", size), light, 1, BRACKET)


def _coffee() -> Scene:
    """A patch of sun on the table, odd in height."""
    size = (255, 384)
    window = polygon(size, ((0.30, 0.0), (0.95, 0.0), (0.62, 1.0), (-0.05, 1.0)))
    light = 4.0 * soften(window, 10) - 2.0
    return _exposed("coffee", scene_photograph("coffee", size), light, 2, PAIR)


def _camera() -> Scene:
    """A grey scene: a bright sky above a field in the shade."""
    size = (300, 300)
    _, y = grid(size)
    man = outlines.cameraman(size)
    light = soften(2.0 * torch.tanh(14 * (0.44 - y)) * (1 - man) - 2.0 * man, 1.5)
    return _exposed("camera", scene_photograph("camera", size), light, 3, PAIR)


def _exposed(
    name: str, photo: Tensor, light: Tensor, seed: int, exposures: Mapping[str, float]
) -> Scene:
    """The scene with one source per exposure; ``light`` (1, H, W) is in stops."""
    rng = np.random.default_rng(seed)
    reference = BLACK + (WHITE - BLACK) * photo
    radiance = reference**GAMMA * 2**light
    sources = {key: _exposure(radiance * 2**t, rng) for key, t in exposures.items()}
    return make_scene("mef", name, sources, reference)


def _exposure(signal: Tensor, rng: np.random.Generator) -> Tensor:
    """A linear signal as a camera writes it: noisy, clipped, gamma-corrected."""
    noise = torch.from_numpy(rng.standard_normal(signal.shape, dtype=np.float32))
    noisy = signal + noise * (SHOT_NOISE * signal + READ_NOISE**2).sqrt()
    return noisy.clamp(0, 1) ** (1 / GAMMA)
