"""Infrared and visible scenes: a photograph in bad light, and a thermal image from geometry.

The thermal image has what such cameras show: warm people, engines and lamps on cool ground, a cold
sky, little texture. The dark or the smoke hides some of them from the visible camera. Nothing was
measured and nobody can say what a perfect fusion shows, so there is no reference.
"""

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.photographs import motorcycle_disparity, photograph
from fusionlab.data.scenes import outlines
from fusionlab.data.scenes.scene import Scene, make_scene, resized, scene_photograph
from fusionlab.data.scenes.warmth import over, person, thermal
from fusionlab.data.shapes import ellipse, fractal_noise, grid, polygon, soften, stroke

# Of the rocket: the launch pad, cut out of the full-size photograph, and places in the cut-out.
LAUNCH_PAD = (slice(None), slice(120, None), slice(96, 544))
LAMPS = (
    (0.121, 0.84),
    (0.217, 0.90),
    (0.033, 0.965),
    (0.597, 0.905),
    (0.750, 0.895),
    (0.792, 0.975),
)
TANK = ((0.484, 0.10), (0.528, 0.10), (0.528, 0.935), (0.484, 0.935))
PAD = ((0.384, 0.94), (0.63, 0.94), (0.63, 1.0), (0.384, 1.0))
PEOPLE = (((0.30, 1.03), 0.19), ((0.345, 1.04), 0.18), ((0.90, 1.02), 0.17))  # feet and height


def infrared_visible_scenes() -> tuple[Scene, ...]:
    """All scenes of task ``vif``."""
    return (_camera(), _motorcycle(), _astronaut(), _rocket())


def _camera() -> Scene:
    """A grey scene at dusk: the man in a dark coat, somebody else out on the field."""
    size = (320, 320)
    rng = np.random.default_rng(0)
    photo = scene_photograph("camera", size)
    _, y = grid(size)
    above_grass = ((0.455 - y) * 80).clamp(0, 1)
    sky = above_grass * soften((photo > 0.62).float(), 1)
    ground = 0.26 + 0.10 * y + 0.15 * soften(photo, 1.5)
    warmth = over(ground, 0.48 - 0.25 * soften(photo, 1), above_grass)
    warmth = over(warmth, 0.06 + 0.12 * y, sky)
    somebody = person(size, (0.86, 0.66), 0.24, rng)
    warmth = over(warmth, *somebody)
    warmth = over(warmth, 0.12 + 0.15 * photo, outlines.tripod(size))
    coat = 0.50 + 0.22 * (fractal_noise(size, 5, 3, rng) - 0.5) + 0.8 * soften(photo, 1.2)
    warmth = over(warmth, coat.clamp(max=0.66), outlines.cameraman(size))
    warmth = over(warmth, 0.22 + 0.25 * soften(photo, 1), outlines.camera(size))
    warmth = over(warmth, 0.62 + 0.55 * soften(photo, 1), soften(outlines.cameramans_face(size), 1))
    visible = in_the_dark(photo, 0.26 + 0.22 * above_grass, rng)
    people = [("person", somebody[1]), ("person", outlines.cameraman(size))]
    return make_scene("vif", "camera", {"vi": visible, "ir": thermal(warmth, rng)}, None, people)


def _motorcycle() -> Scene:
    """A garage at night in torchlight: a hot engine, a person in the dark behind."""
    size = (250, 371)
    rng = np.random.default_rng(1)
    photo = scene_photograph("stereo_motorcycle", size)
    disparity = resized(motorcycle_disparity(), size)
    x, y = grid(size)
    grey = photo.mean(dim=0, keepdim=True)
    warmth = 0.16 + 0.10 * y + 0.12 * soften(grey, 1.2)
    in_front = ((disparity - 25) / 2).clamp(0, 1)
    machine = in_front * ((0.85 - y) * 30).clamp(0, 1)
    warmth = over(warmth, 0.28 + 0.12 * soften(1 - grey, 1), machine)
    engine = torch.exp(-(((x - 0.545) / 0.10) ** 2) - ((y - 0.60) / 0.15) ** 2)
    warmth = warmth + machine * engine * (0.45 + 0.35 * (grey - 0.4))
    for part, temperature in _warm_parts(size):
        warmth = over(warmth, temperature + 0.2 * (grey - 0.5), part * machine)
    somebody, body = person(size, (0.31, 0.74), 0.66, rng)
    warmth = over(warmth, somebody, body * (1 - in_front))
    torch_light = torch.exp(-(((x - 0.66) / 0.22) ** 2) - ((y - 0.52) / 0.38) ** 2)
    visible = in_the_dark(photo, 0.05 + 0.80 * torch_light, rng)
    seen = [("person", body * (1 - in_front))]
    return make_scene("vif", "motorcycle", {"vi": visible, "ir": thermal(warmth, rng)}, None, seen)


def _warm_parts(size: tuple[int, int]) -> list[tuple[Tensor, float]]:
    """Mattes and temperatures of tyres, exhaust pipe and headlamp."""
    pipe = stroke(size, ((0.24, 0.62), (0.44, 0.71), (0.58, 0.745), (0.64, 0.63)), width=0.03)
    return [
        (soften(ellipse(size, (0.265, 0.64), (0.105, 0.16)), 1), 0.42),
        (soften(ellipse(size, (0.81, 0.72), (0.11, 0.18)), 1), 0.40),
        (soften(pipe, 1.5), 0.82),
        (soften(ellipse(size, (0.725, 0.315), (0.03, 0.055)), 1), 0.72),
    ]


def _astronaut() -> Scene:
    """Smoke in the room, odd in both directions: it hides her face from the visible camera only."""
    size = (321, 321)
    rng = np.random.default_rng(2)
    photo = scene_photograph("astronaut", size)
    red, grey = photo[:1], photo.mean(dim=0, keepdim=True)
    _, y = grid(size)
    front = outlines.astronaut(size)
    folds = soften(red, 1.0) - soften(red, 8)
    suit = 0.46 + 0.14 * (fractal_noise(size, 5, 2, rng) - 0.5) + 0.5 * folds
    warmth = over(0.18 + 0.10 * soften(grey, 2), suit, front)
    warmth = over(warmth, 0.56 + 0.5 * folds, front * ((0.30 - y) * 40).clamp(0, 1))
    face = 0.86 + 0.5 * (soften(red, 0.8) - soften(red, 10))
    warmth = over(warmth, face, soften(outlines.astronauts_face(size), 1.2))
    visor = ellipse(size, (0.75, 0.89), (0.20, 0.20))
    warmth = over(warmth, 0.28 + 0.25 * soften(grey, 0.8), visor * front)
    visible = _in_smoke(photo, soften(ellipse(size, (0.50, 0.23), (0.48, 0.26), -12), 28), rng)
    her = [("person", front)]
    return make_scene("vif", "astronaut", {"vi": visible, "ir": thermal(warmth, rng)}, None, her)


def _rocket() -> Scene:
    """A launch pad after sunset: hot lamps, a cold tank, people on the dark ground."""
    size = (257, 375)
    rng = np.random.default_rng(3)
    photo = resized(photograph("rocket")[LAUNCH_PAD], size)
    grey = photo.mean(dim=0, keepdim=True)
    _, y = grid(size)
    clouds = 0.10 * torch.sigmoid(18 * (y - 0.82)) * fractal_noise(size, 6, 4, rng)
    warmth = 0.05 + 0.16 * y**2 + clouds
    structure = ((grey - soften(grey, 7)).abs() * 9).clamp(0, 1)
    warmth = over(warmth, 0.40, structure)
    frost = torch.sigmoid(40 * (y - 0.45)) * torch.sigmoid(40 * (0.80 - y))
    warmth = over(warmth, 0.44 - 0.36 * frost + 0.1 * grey, soften(polygon(size, TANK), 0.8))
    warmth = over(warmth, 0.50, polygon(size, PAD))
    for lamp in LAMPS:
        warmth = over(warmth, 1.0, soften(ellipse(size, lamp, (0.011, 0.016)), 1.5))
    people = []
    for feet, height in PEOPLE:
        somebody, body = person(size, feet, height, rng)
        warmth = over(warmth, somebody, body)
        people.append(("person", body))
    visible = in_the_dark(photo, torch.full((1, 1, 1), 0.9), rng)
    return make_scene("vif", "rocket", {"vi": visible, "ir": thermal(warmth, rng)}, None, people)


def in_the_dark(photo: Tensor, light: Tensor, rng: np.random.Generator) -> Tensor:
    """The photograph in little light, with the noise of a high gain."""
    noise = torch.from_numpy(rng.standard_normal(photo.shape, dtype=np.float32))
    return photo**1.2 * light + 0.010 * noise


def _in_smoke(photo: Tensor, density: Tensor, rng: np.random.Generator) -> Tensor:
    """The photograph behind billows where ``density`` (1, H, W) is high."""
    size = (photo.shape[-2], photo.shape[-1])
    smoke = (density * (0.6 + 0.9 * fractal_noise(size, 4, 5, rng))).clamp(0, 0.97)
    white = 0.60 + 0.28 * fractal_noise(size, 5, 5, rng)
    return over(0.85 * photo, white, smoke)
