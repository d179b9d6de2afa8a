"""Adverts for training, composed in batches on the GPU: text lines of an atlas over photos.

Everything is drawn by the inverse map: for each pixel its place in the line's own frame gives
coverage, outline, shadow, glow, plate and the distance to the line's border (for PSENet's
kernels) in one sampling. So every label is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from backend.training.render_text import DISTANCE_STEP, INK, PAD, STRIP, WIDTH, Atlas
from backend.training.render_text_pixels import (
    blur3,
    chance,
    colours,
    contrasting,
    jpeg,
    smooth,
    uniform,
)

Tensor = torch.Tensor


@dataclass
class Scene:
    """`image` B×3×H×W in [0, 1]. `text` B×1×H×W: coverage of glyphs with their outline (without
    opacity). `effects`: strength of shadow and glow. `plate`: where a plate lies. `lines`: one
    dictionary a slot with the line's geometry."""

    image: Tensor
    text: Tensor
    effects: Tensor
    plate: Tensor
    lines: list[dict[str, Tensor]]


@dataclass(frozen=True)
class Layout:
    """What scenes look like. Heights are of the ink, in pixels."""

    height: int
    width: int
    slots: tuple[tuple[float, float], ...]  # (smallest, largest) line height of each slot
    centred: bool = False  # the first line lies level in the middle (crops for the stroke net)
    follow: float = 0.5  # chance that a line continues a paragraph
    negative: float = 0.1  # chance of a scene without text


class TextRenderer:
    """Draws scenes. `photos` N×3×h×w uint8 and the atlas stay on the device."""

    def __init__(self, atlas: Atlas, photos: Tensor, device: torch.device) -> None:
        # nearness instead of distance, so that zeros from outside a strip mean "far away"
        both = torch.stack(
            [torch.from_numpy(atlas.coverage), 255 - torch.from_numpy(atlas.distance)], 1
        ).to(device)
        self.levels = [both]
        for _ in range(2):  # half and quarter size, for small text without aliasing
            self.levels.append(pooled(self.levels[-1]))
        self.width = torch.from_numpy(atlas.width).to(device)
        self.vertical = torch.from_numpy(atlas.vertical).to(device)
        self.photos = photos.to(device)
        self.device = device

    @torch.no_grad()
    def scenes(self, count: int, layout: Layout, seed: int) -> Scene:
        """`count` scenes; they depend on the seed and the step alone."""
        torch.manual_seed(seed)
        h, w, dev = layout.height, layout.width, self.device
        image = self.background(count, h, w)
        text = torch.zeros(count, 1, h, w, device=dev)
        effects, plate = torch.zeros_like(text), torch.zeros_like(text)
        taken = torch.zeros(count, 1, h // 4, w // 4, device=dev)
        present = chance(torch.zeros(count, device=dev), 1 - layout.negative)
        lines: list[dict[str, Tensor]] = []
        style = self.style(count)
        for n, (low, high) in enumerate(layout.slots):
            line = self.place(count, layout, n, low, high, lines[-1] if lines else None)
            fresh = self.style(count)
            follow = line["follow"]
            style = {
                k: torch.where(follow.view(-1, *[1] * (v.ndim - 1)) > 0, style[k], v)
                for k, v in fresh.items()
            }
            inner = border(line, self.grid(h, w, 4))
            zone = (inner > -0.12 * line["size"].view(-1, 1, 1)).float()[:, None]
            area = line["size"] * line["length"] / 16
            clash = (zone * taken).sum((1, 2, 3)) > 0.02 * area
            seen = (inner > 0).float().sum((1, 2)) / area.clamp(min=1)
            least = 0.15 if layout.centred else 0.8
            line["valid"] = present * (~clash).float() * (seen > least).float()
            valid = line["valid"].view(-1, 1, 1, 1)
            taken = torch.maximum(taken, zone * valid)
            image, text, effects, plate = self.paint(image, text, effects, plate, line, style)
            lines.append(line)
        return Scene(self.finish(image), text, effects, plate, lines)

    def grid(self, h: int, w: int, step: int = 1) -> tuple[Tensor, Tensor]:
        """x and y of pixel centres (0-based: the first pixel's centre is 0)."""
        first = (step - 1) / 2
        y = torch.arange(h // step, device=self.device) * step + first
        x = torch.arange(w // step, device=self.device) * step + first
        return x.view(1, 1, -1).float(), y.view(1, -1, 1).float()

    def background(self, count: int, h: int, w: int) -> Tensor:
        """Random crops of photos; some flat, graded or with regular patterns (windows, blinds)."""
        dev = self.device
        one = torch.zeros(count, device=dev)
        index = torch.randint(len(self.photos), (count,), device=dev)
        photos = self.photos[index].float() / 255
        ph, pw = photos.shape[2:]
        zoom = torch.exp(uniform(one, math.log(0.45), math.log(1.6)))
        sx = zoom * w / pw * torch.where(chance(one, 0.5) > 0, 1.0, -1.0)
        sy = zoom * h / ph * torch.exp(uniform(one, -0.15, 0.15))
        theta = torch.zeros(count, 2, 3, device=dev)
        turn = uniform(one, -0.1, 0.1)
        theta[:, 0, 0], theta[:, 0, 1] = sx * turn.cos(), -sy * turn.sin()
        theta[:, 1, 0], theta[:, 1, 1] = sx * turn.sin(), sy * turn.cos()
        theta[:, 0, 2], theta[:, 1, 2] = uniform(one, -0.6, 0.6), uniform(one, -0.6, 0.6)
        where = F.affine_grid(theta, [count, 3, h, w], align_corners=False)
        image = F.grid_sample(
            photos, where, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        colour = torch.rand(count, 3, 1, 1, device=dev)
        other = (colour + uniform(colour, -0.4, 0.4)).clamp(0, 1)
        x, y = self.grid(h, w)
        way = uniform(one, -math.pi, math.pi).view(-1, 1, 1)
        t = ((x / w - 0.5) * way.cos() + (y / h - 0.5) * way.sin() + 0.5).clamp(0, 1)[:, None]
        graded = colour + (other - colour) * t
        flat = chance(one, 0.22).view(-1, 1, 1, 1)
        mild = chance(one, 0.12).view(-1, 1, 1, 1) * uniform(one, 0.3, 0.9).view(-1, 1, 1, 1)
        amount = torch.maximum(flat, mild)
        image = image * (1 - amount) + graded * amount
        return self.pattern(image, x, y)

    def pattern(self, image: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Lays bars or a grid over a part of one scene in five: what text is mistaken for."""
        count = len(image)
        one = torch.zeros(count, device=self.device)
        v = lambda t: t.view(-1, 1, 1)  # noqa: E731
        turn = uniform(one, -1.6, 1.6) * chance(one, 0.7)
        shear = uniform(one, -0.4, 0.4)
        a = x * v(turn.cos()) + y * v(turn.sin())
        b = y * v(turn.cos()) - x * v(turn.sin()) + a * v(shear)
        p, q = torch.exp(uniform(one, 1.6, 4.2)), torch.exp(uniform(one, 1.6, 4.5))
        duty = uniform(one, 0.15, 0.7)
        bars = ((a / v(p)).frac().abs() < v(duty)).float()
        cells = bars * ((b / v(q)).frac().abs() < v(uniform(one, 0.2, 0.8))).float()
        shape = torch.where(v(chance(one, 0.6)) > 0, cells, bars)
        h, w = image.shape[2:]
        cx, cy = v(uniform(one, 0, w)), v(uniform(one, 0, h))
        limit = ((x - cx).abs() < v(uniform(one, 0.1, 0.6)) * w) & (
            (y - cy).abs() < v(uniform(one, 0.1, 0.6)) * h
        )
        amount = (shape * limit)[:, None] * (
            chance(one, 0.2) * uniform(one, 0.2, 1)
        ).view(-1, 1, 1, 1)
        return image + (torch.rand(count, 3, 1, 1, device=self.device) - image) * amount

    def place(
        self, count: int, layout: Layout, n: int, low: float, high: float,
        before: dict[str, Tensor] | None,
    ) -> dict[str, Tensor]:
        """Where the line of one slot lies: scene px of its centre, ink height, angle, bend."""
        dev = self.device
        one = torch.zeros(count, device=dev)
        index = torch.randint(len(self.width), (count,), device=dev)
        size = torch.exp(uniform(one, math.log(low), math.log(high)))
        upright = self.vertical[index].float()
        angle = uniform(one, -0.05, 0.05) * chance(one, 0.5)
        wild = torch.rand_like(one)
        angle = torch.where(wild < 0.2, uniform(one, -0.6, 0.6), angle)
        angle = torch.where(wild < 0.04, uniform(one, -1.6, 1.6), angle)
        angle = torch.where(upright > 0, angle * 0.3 + math.pi / 2, angle)
        x = uniform(one, 0.02, 0.98) * layout.width
        y = uniform(one, 0.02, 0.98) * layout.height
        bend = chance(one, 0.13) * uniform(one, -1, 1)
        if layout.centred and n == 0:
            angle = uniform(one, -0.08, 0.08)
            x = layout.width / 2 + uniform(one, -0.35, 0.35) * layout.width
            y = layout.height / 2 + uniform(one, -0.06, 0.06) * layout.height
            bend = bend * 0.35
        stretch = torch.exp(uniform(one, -0.25, 0.25))  # wide and narrow setting
        length = self.width[index] * size / INK * stretch
        room = 0.94 * max(layout.width, layout.height)
        if not layout.centred:  # long lines get smaller rather than cut off
            size = size * (room / length).clamp(max=1)
            length = self.width[index] * size / INK * stretch
        follow = torch.zeros_like(one)
        if before is not None:
            follow = chance(one, layout.follow) * before["valid"] * (1 - upright)
            follow = follow * (before["bend"] == 0)
            f = follow > 0
            keep_size = torch.where(chance(one, 0.5) > 0, before["size"], size)
            size = torch.where(f, keep_size, size)
            length = self.width[index] * size / INK * stretch
            angle = torch.where(f, before["angle"], angle)
            bend = torch.where(f, torch.zeros_like(bend), bend)
            side = torch.where(chance(one, 0.85) > 0, 1.0, -1.0)
            gap = side * (before["size"] + size) / 2 * uniform(one, 1.12, 1.8)
            align = torch.randint(-1, 2, (count,), device=dev) * (length - before["length"]) / 2
            c, s = angle.cos(), angle.sin()
            x = torch.where(f, before["x"] + align * c - gap * s, x)
            y = torch.where(f, before["y"] + align * s + gap * c, y)
        # a bend of 1 is half a circle of the line's length; short lines bend little
        bend = bend * (length > 3 * size) * 0.9
        radius = torch.where(bend.abs() > 0.05, length / (math.pi * bend), torch.inf)
        enough = radius.abs() > 1.2 * size
        radius = torch.where(enough, radius, torch.inf)
        bend = torch.where(torch.isfinite(radius), bend, torch.zeros_like(bend))
        lean = uniform(one, -0.25, 0.25) * chance(one, 0.2)
        tilt = uniform(one, -0.3, 0.3) * chance(one, 0.12) / length.clamp(min=40)
        return {
            "index": index, "x": x, "y": y, "size": size, "length": length, "angle": angle,
            "bend": bend, "radius": radius, "lean": lean, "tilt": tilt, "stretch": stretch,
            "follow": follow,
        }  # fmt: skip

    def style(self, count: int) -> dict[str, Tensor]:
        """Colours and effects of a line; widths are fractions of its height."""
        dev = self.device
        one = torch.zeros(count, device=dev)
        kind = torch.rand_like(one)
        outline = (kind < 0.2).float()
        shadow = ((kind > 0.2) & (kind < 0.42)).float() + outline * chance(one, 0.25)
        glow = ((kind > 0.42) & (kind < 0.5)).float()
        plate = ((kind > 0.5) & (kind < 0.64)).float() + chance(one, 0.03) * shadow
        clear = ((kind > 0.64) & (kind < 0.84)).float()
        opacity = torch.where(clear > 0, uniform(one, 0.22, 0.75), uniform(one, 0.85, 1.0))
        way = uniform(one, 0, 2 * math.pi)
        reach = uniform(one, 0.02, 0.12)
        return {
            "fill": colours(count, dev), "fill2": colours(count, dev),
            "graded": chance(one, 0.12), "edge": colours(count, dev),
            "outline": outline * uniform(one, 0.02, 0.12),
            "hollow": outline * chance(one, 0.12),
            "shadow": shadow * uniform(one, 0.35, 0.95),
            "shade": torch.rand(count, 3, device=dev) * chance(one, 0.25).view(-1, 1) * 0.6,
            "shadow_x": reach * way.cos(), "shadow_y": reach * way.sin(),
            "shadow_blur": uniform(one, 0.01, 0.2) * chance(one, 0.8) + 0.008,
            "glow": glow * uniform(one, 0.4, 1.0), "glow_width": uniform(one, 0.05, 0.25),
            "halo": colours(count, dev), "opacity": opacity,
            "plate": plate * torch.where(chance(one, 0.7) > 0, 1.0, 0.6),
            "plate_colour": colours(count, dev), "plate_grow": uniform(one, 0.1, 0.45),
            "round": chance(one, 0.4) * uniform(one, 0.1, 0.9),
        }  # fmt: skip

    def sample(self, line: dict[str, Tensor], u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Coverage in [0, 1] and signed distance in scene px at places (u, v) of the line's
        frame (scene px from its centre), B×H×W each."""
        scale = line["size"] / INK
        smallest = float(scale.max())
        level = 0 if smallest > 0.62 else 1 if smallest > 0.3 else 2
        strips = self.levels[level][line["index"]].half()
        if self.device.type == "cpu":
            strips = strips.float()
        s = scale.view(-1, 1, 1)
        width = self.width[line["index"]].view(-1, 1, 1)
        along = u / (s * line["stretch"].view(-1, 1, 1)) + PAD + width / 2
        down = v / s + STRIP / 2
        where = torch.stack([along / WIDTH * 2 - 1, down / STRIP * 2 - 1], -1).to(strips.dtype)
        got = F.grid_sample(strips, where, align_corners=False).float()
        coverage = got[:, :1] / 255
        distance = (127 - got[:, 1:]) * DISTANCE_STEP
        return coverage, distance * s[:, None]

    def paint(
        self, image: Tensor, text: Tensor, effects: Tensor, plate: Tensor,
        line: dict[str, Tensor], style: dict[str, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draws one line into every scene (where it is valid)."""
        h, w = image.shape[2:]
        u, v = local(line, self.grid(h, w))
        b = lambda t: t.view(-1, 1, 1, 1)  # noqa: E731
        size, on = b(line["size"]), b(line["valid"])
        coverage, distance = self.sample(line, u, v)
        inner = (torch.minimum(
            line["length"].view(-1, 1, 1) / 2 - u.abs(), line["size"].view(-1, 1, 1) / 2 - v.abs()
        ))[:, None]  # fmt: skip
        outline = b(style["outline"]) * size
        outline = torch.where(outline > 0, outline.clamp(min=0.8), outline)
        grown = (outline + 0.5 - distance).clamp(0, 1) * (outline > 0)
        ring = (grown - coverage).clamp(min=0)
        cover = torch.where(b(style["hollow"]) > 0, ring, torch.maximum(grown, coverage)) * on
        # plate first: colours are chosen against it
        panel = rounded(u, v, line, style)[:, None] * b(style["plate"]) * on
        colour = lambda key: style[key].view(-1, 3, 1, 1)  # noqa: E731
        image = image + (colour("plate_colour") - image) * panel
        region = (inner > 0).float()
        mean = (image * region).sum((2, 3)) / region.sum((2, 3)).clamp(min=1)
        need = 0.22 + 0.12 * (1 - style["opacity"])
        front = contrasting(style["fill"], mean, need)
        second = torch.where(style["graded"].view(-1, 1) > 0,
                             contrasting(style["fill2"], mean, need), front)
        edge = contrasting(style["edge"], front, torch.full_like(need, 0.3))
        t = (u / line["length"].view(-1, 1, 1) + 0.5).clamp(0, 1)[:, None]
        fill = front.view(-1, 3, 1, 1) * (1 - t) + second.view(-1, 3, 1, 1) * t
        opacity = b(style["opacity"])
        # shadow
        dx, dy = style["shadow_x"] * line["size"], style["shadow_y"] * line["size"]
        _, moved = self.sample(line, u - dx.view(-1, 1, 1), v - dy.view(-1, 1, 1))
        blur = (b(style["shadow_blur"]) * size).clamp(min=0.6)
        soft = smooth((outline + blur - moved) / (2 * blur))
        shadow = soft * b(style["shadow"]) * on
        image = image + (colour("shade") - image) * shadow * opacity
        reach = b(style["glow_width"]) * size
        glow = torch.exp(-((distance - outline).clamp(min=0) / reach) ** 2) * b(style["glow"]) * on
        glow = glow * (distance < 30 * size / INK)
        image = image + (colour("halo") - image) * glow * opacity
        image = image + (edge.view(-1, 3, 1, 1) - image) * (grown * on) * torch.where(
            b(style["hollow"]) > 0, ring / grown.clamp(min=1e-3), torch.ones_like(ring)
        ) * opacity
        body = coverage * on * (1 - b(style["hollow"]))
        image = image + (fill - image) * body * opacity
        effects = torch.maximum(effects * (1 - cover), torch.maximum(shadow, glow) * opacity)
        plate = torch.maximum(plate, (panel > 0.3).float())
        return image, torch.maximum(text, cover), effects, plate

    def finish(self, image: Tensor) -> Tensor:
        """Camera and file: contrast, blur, noise, JPEG."""
        count = len(image)
        one = torch.zeros(count, device=self.device)
        b = lambda t: t.view(-1, 1, 1, 1)  # noqa: E731
        image = image.clamp(0, 1) ** b(torch.exp(uniform(one, -0.25, 0.25)))
        blurred = blur3(blur3(image))
        image = image + (blurred - image) * b(chance(one, 0.35) * uniform(one, -0.5, 1.0))
        noise = torch.randn_like(image) * b(chance(one, 0.4) * uniform(one, 0, 0.04))
        image = (image + noise).clamp(0, 1)
        coded = jpeg(image, uniform(one, 0.3, 4.0))
        return torch.where(b(chance(one, 0.5)) > 0, coded, image).clamp(0, 1)


def pooled(strips: Tensor) -> Tensor:
    """Half the size, in parts so that no large float copy is made."""
    parts = [F.avg_pool2d(p.float(), 2).round().to(torch.uint8) for p in strips.split(256)]
    return torch.cat(parts)


def local(line: dict[str, Tensor], grid: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Scene pixels → (u, v) px along and across the line from its centre, B×H×W."""
    v1 = lambda key: line[key].view(-1, 1, 1)  # noqa: E731
    x, y = grid[0] - v1("x"), grid[1] - v1("y")
    c, s = v1("angle").cos(), v1("angle").sin()
    along, across = x * c + y * s, y * c - x * s
    depth = 1 / (1 + v1("tilt") * along).clamp(min=0.3)
    along, across = along * depth, across * depth
    along = along + across * v1("lean")
    straight = ~torch.isfinite(line["radius"]).view(-1, 1, 1)
    radius = torch.where(straight, torch.ones_like(v1("radius")), v1("radius"))
    turn = radius.sign()
    down = (across - radius) * turn  # seen from the centre of the circle
    far = torch.hypot(along, down)
    u = torch.atan2(along, -down) * radius.abs()
    v = (radius.abs() - far) * turn
    return torch.where(straight, along, u), torch.where(straight, across, v)


def border(line: dict[str, Tensor], grid: tuple[Tensor, Tensor]) -> Tensor:
    """Distance in px to the border of the line's box, positive inside, B×H×W."""
    u, v = local(line, grid)
    half = lambda key: line[key].view(-1, 1, 1) / 2  # noqa: E731
    return torch.minimum(half("length") - u.abs(), half("size") - v.abs())


def rounded(u: Tensor, v: Tensor, line: dict[str, Tensor], style: dict[str, Tensor]) -> Tensor:
    """Coverage of a plate with rounded corners around the line's box."""
    size = line["size"].view(-1, 1, 1)
    grow = style["plate_grow"].view(-1, 1, 1) * size
    a = u.abs() - (line["length"].view(-1, 1, 1) / 2 + grow)
    b = v.abs() - (size / 2 + grow)
    r = style["round"].view(-1, 1, 1) * (size / 2 + grow)
    outside = torch.hypot((a + r).clamp(min=0), (b + r).clamp(min=0)) - r
    return (0.5 - torch.where((a + r > 0) & (b + r > 0), outside, torch.maximum(a, b))).clamp(0, 1)
