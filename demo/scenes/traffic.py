"""The vehicles of a scene: where they are, the shadows they cast, how they are shaded and drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from demo.scenes.canvas import Canvas
from demo.scenes.geometry import Array, Rng, convex_hull, lerp, vec
from demo.scenes.ground import Shadows
from demo.scenes.layout import Layout
from demo.scenes.light import tonemap
from demo.scenes.mesh import Body
from demo.scenes.vehicles import CLASSES, add_front, make_vehicle

DENSITIES = {"free": 0.3, "busy": 0.45, "jam": 0.25}
GAPS = {"free": (16, 60), "busy": (7, 26), "jam": (2.2, 6)}  # metres between vehicles
BRAKING = {"free": 0.08, "busy": 0.3, "jam": 0.75}  # share of vehicles
LENGTHS = {"truck": 9, "ute": 5.2}  # metres, of vehicles that are out of the picture
BRAKE_GLOW, HEAD_GLOW = vec([255, 40, 25]), vec([255, 240, 215])


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle on the road.

    Attributes:
        class_name, body: what it is.
        distance: z of its nearest end, metres.
        rotation, origin: [3, 3] and [3], from the body's coordinates to the world's.
        oncoming: on the other carriageway; not labelled.
    """

    class_name: str
    body: Body
    distance: float
    rotation: Array
    origin: Array
    oncoming: bool

    def to_world(self, points: Array) -> Array:
        """Points [N, 3] of the body in the world."""
        return points @ self.rotation.T + self.origin


class Traffic:
    """Fills the lanes. Every vehicle has a random stream of its own: [scene seed, its number]."""

    def __init__(self, layout: Layout, rng: Rng) -> None:
        self._layout, self._rng, self._made = layout, rng, 0
        self.density = str(rng.choice(list(DENSITIES), p=list(DENSITIES.values())))
        self.vehicles = [v for lane in range(layout.lanes) for v in self._lane(lane)]
        self.vehicles += [v for lane in range(layout.oncoming_lanes) for v in self._oncoming_lane(lane)]

    def _lane(self, lane: int) -> Iterator[Vehicle]:
        layout, rng = self._layout, self._rng
        gap = GAPS[self.density]
        z = (5.5 if layout.view != "dashcam" else 7) + rng.uniform(-3, 14)
        s = -layout.half_width + (lane + 0.5) * layout.lane_width
        trucks = 1.6 if lane == 0 else (1.0 if lane == 1 else 0.45)
        shares = vec([0.58, 0.15, 0.16, 0.11 * trucks])
        while z < 280:
            class_name = str(rng.choice(CLASSES, p=shares / shares.sum()))
            brake = 0.0
            if rng.random() < BRAKING[self.density]:
                brake = rng.uniform(0.8, 1.5)
            elif layout.light.lamps > 0.2:
                brake = layout.light.lamps * rng.uniform(0.25, 0.5)
            if not self._on_screen(s, z):
                z += LENGTHS.get(class_name, 4.6) + rng.uniform(*gap)
                continue
            body = self._make(class_name, z, brake)
            place = s + rng.normal() * 0.22
            yield self._vehicle(class_name, body, place, z, math.radians(rng.normal() * 0.7), oncoming=False)
            z += body.dims[2] + rng.uniform(*gap) * (1 + z / 400)

    def _oncoming_lane(self, lane: int) -> Iterator[Vehicle]:
        layout, rng = self._layout, self._rng
        z = rng.uniform(10, 60)
        s = layout.oncoming_start + (lane + 0.5) * layout.lane_width
        while z < 260:
            class_name = str(rng.choice(["car", "van"], p=[0.85, 0.15]))
            if not self._on_screen(s, z):
                z += 5 + rng.uniform(14, 90)
                continue
            body = self._make(class_name, z, 0)
            add_front(body, rng, layout.light)
            yield self._vehicle(class_name, body, s, z + body.dims[2], math.pi, oncoming=True)
            z += body.dims[2] + rng.uniform(14, 90)

    def _make(self, class_name: str, z: float, brake: float) -> Body:
        layout = self._layout
        self._made += 1
        apparent_width = layout.camera.focal * 1.9 / max(z, 1) * 960 / layout.camera.width
        return make_vehicle(class_name, [layout.seed, self._made], layout.light, brake, apparent_width)

    def _vehicle(self, class_name: str, body: Body, s: float, z: float, yaw: float, oncoming: bool) -> Vehicle:
        yaw = yaw + math.atan(self._layout.curvature * z)
        c, n = math.cos(yaw), math.sin(yaw)
        rotation = vec([[c, 0, n], [0, 1, 0], [-n, 0, c]])
        return Vehicle(class_name, body, z, rotation, self._layout.at(s, z), oncoming)

    def _on_screen(self, s: float, z: float) -> bool:
        """Whether any of a vehicle there could be seen; generous."""
        camera = self._layout.camera
        corners = vec([self._layout.at(s, end, y) for end in (z, z + 8) for y in (0, 3.5)])
        points, depth = camera.project(corners)
        mx, my = camera.width * 0.35, camera.height * 0.6
        u, v = points[:, 0], points[:, 1]
        inside = (u > -mx) & (u < camera.width + mx) & (v > -my) & (v < camera.height + my)
        return bool(((depth > 0.5) & inside).any())


def shadows_of(layout: Layout, vehicles: list[Vehicle]) -> Shadows:
    """The outlines of what the vehicles take from the ground's light."""
    shadows = Shadows()
    camera, light = layout.camera, layout.light
    for vehicle in vehicles:
        w, h, length = vehicle.body.dims
        corners = vec([[-w / 2, 0, 0.05], [w / 2, 0, 0.05], [w / 2, 0, length], [-w / 2, 0, length]])
        foot = vehicle.to_world(corners)
        middle = foot.mean(0)
        if camera.project(foot)[1].min() > 1:
            shadows.contact.append(camera.project((foot - middle) * 1.03 + middle)[0])
        if light.sun.max() <= 0.5:
            continue
        for height, inset in ((h * 0.62, 1.0), (h, 0.82)):
            top = (foot - middle) * vec([inset, 1, inset]) + middle
            along = vec([light.direction[0], 0, light.direction[2]])
            top = top - along * min(height / light.direction[1], 14)
            points, depth = camera.project(np.concatenate([foot, top]))
            if depth.min() > 1.5:
                shadows.cast.append(convex_hull(points))
    return shadows


def draw_vehicle(canvas: Canvas, vehicle: Vehicle, object_id: int) -> bool:
    """Draw one vehicle and its id; False when none of it is in the picture."""
    mesh, camera, light = vehicle.body.mesh, canvas.layout.camera, canvas.layout.light
    counts = vec([len(p) for p in mesh.points])
    ends = np.cumsum(counts)
    starts = ends - counts
    world = vehicle.to_world(np.concatenate(mesh.points))
    points, depth = camera.project(world)
    low, high = points.min(0), points.max(0)
    if depth.min() < 1.0 or high[0] < 0 or low[0] > camera.width or low[1] > camera.height or high[1] < 0:
        return False
    normals = _normals(world, starts, counts)
    hints = vec(mesh.hints, float) @ vehicle.rotation.T
    normals *= np.where((normals * hints).sum(1) < 0, -1, 1)[:, None]
    middles = np.add.reduceat(world, starts) / counts[:, None]
    to_camera = camera.position - middles
    distances = np.linalg.norm(to_camera, axis=1)
    to_camera /= distances[:, None]
    facing = (normals * to_camera).sum(1)
    radiance = _shade(canvas.layout, vehicle, normals, to_camera, facing, middles)
    colours = tonemap(light.through_haze(radiance, distances), light.exposure)
    extents = (np.maximum.reduceat(points, starts) - np.minimum.reduceat(points, starts)).min(1)
    hidden = (facing <= 0) | (extents < 0.3)
    for i in _paint_order(vec(mesh.keys), distances):
        if hidden[i]:
            continue
        polygon = points[starts[i] : ends[i]]
        canvas.polygon(polygon, colours[i], object_id)
        if mesh.emission[i] > 0.2:
            glow = BRAKE_GLOW if mesh.colours[i][0] < 0.6 else HEAD_GLOW
            glow = glow * min(1, mesh.emission[i] * 0.8) * math.exp(-distances[i] * light.haze)
            fill = tuple(int(min(255, x)) for x in glow)
            canvas.lamps.polygon([tuple(p) for p in (polygon / 2).tolist()], fill=fill)
    return True


def _normals(world: Array, starts: Array, counts: Array) -> Array:
    """Newell's unit normals [N, 3] of polygons that may be slightly bent."""
    following = np.arange(1, len(world) + 1)
    following[starts + counts - 1] = starts
    relative = world - np.repeat(world[starts], counts, 0)
    normals = np.add.reduceat(np.cross(relative, relative[following]), starts)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    return normals


def _shade(layout: Layout, vehicle: Vehicle, normals: Array, to_camera: Array, facing: Array, middles: Array) -> Array:
    """Radiance [N, 3] of the polygons: diffuse light, mirrored surroundings, the sun's glint, lamps."""
    mesh, light = vehicle.body.mesh, layout.light
    colour, gloss, emission = vec(mesh.colours), vec(mesh.gloss), vec(mesh.emission)
    sunlit = np.clip((normals * light.direction).sum(1), 0, 1)
    mirrored = 2 * facing[:, None] * normals - to_camera
    fresnel = gloss * (0.16 + 0.84 * (1 - np.clip(facing, 0, 1)) ** 4)
    near_road = np.clip(0.55 + middles[:, 1] * 0.35, 0.5, 1)
    ambient = light.ambient * (0.62 + 0.38 * normals[:, 1:2]) * near_road[:, None]
    radiance = colour * (ambient + light.sun * sunlit[:, None])
    radiance = lerp(radiance, light.environment(mirrored[:, 1]), np.clip(fresnel, 0, 0.9)[:, None])
    glint = np.clip((mirrored * light.direction).sum(1), 0, 1) ** 60 * gloss * 1.2
    radiance += light.sun * glint[:, None]
    lit = emission > 0
    hue = np.where(colour[lit, :1] > 0.6, vec([1, 14, 20]) * 0.5, 1)
    radiance[lit] += vec([2.6, 0.07, 0.05]) * emission[lit, None] / light.exposure**0.5 * 0.8 * hue
    return radiance


def _paint_order(keys: Array, distances: Array) -> Array:
    """Far groups first, then by layer, then far polygons first."""
    nearness = {group: -np.median(distances[keys[:, 0] == group]) for group in np.unique(keys[:, 0])}
    return np.lexsort((-distances, keys[:, 1], vec([nearness[group] for group in keys[:, 0]])))
