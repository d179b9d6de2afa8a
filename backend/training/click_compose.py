"""Batches of images with one object to click, composed on the training device.

Three kinds of images: photos as they are, cut-outs pasted on other photos, and random shapes
textured from other photos (only their outline tells that they are things).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.training.click_source import CANVAS, Library, Objects

SLOTS = 3
UNKNOWN = 255  # a label that says nothing about a pixel


@dataclass(frozen=True)
class Batch:
    """`image` B×3×S×S in [-1, 1]; `mask` B×1×S×S in [0, 1]; `valid` B×1×S×S (0 = outside the
    photo); `labels` B×S×S uint8: pixels of one label belong together, UNKNOWN tells nothing;
    `anchors` B×S×S bool: pixels whose label is known to end at its border."""

    image: Tensor
    mask: Tensor
    valid: Tensor
    labels: Tensor
    anchors: Tensor


@dataclass(frozen=True)
class View:
    """Where objects of the canvas land in the output: position and longest side in px."""

    centre: Tensor  # B×2
    side: Tensor  # B


class Composer:
    """Draws batches of `side`×`side` images; the same generator state gives the same batch."""

    def __init__(self, library: Library, side: int) -> None:
        self.library = library
        self.side = side
        self.device = library.device

    def uniform(self, g: torch.Generator, *shape: int, low: float = 0, high: float = 1) -> Tensor:
        return torch.rand(shape, generator=g, device=self.device) * (high - low) + low

    def draw(self, g: torch.Generator, objects: Objects, count: int) -> Tensor:
        return torch.multinomial(objects.weight, count, True, generator=g)

    def sample(self, g: torch.Generator, matrix: Tensor, photo: Tensor) -> Tensor:
        """Photos seen through B×2×3 output→canvas matrices: B×3×S×S in [0, 1]."""
        source = self.library.photos[photo].float() / 255
        grid = self.grid(matrix)
        return F.grid_sample(source, grid, mode="bilinear", padding_mode="border",
                             align_corners=False)

    def grid(self, matrix: Tensor) -> Tensor:
        at = torch.arange(self.side, device=self.device) + 0.5
        y, x = torch.meshgrid(at, at, indexing="ij")
        points = torch.stack((x, y, torch.ones_like(x)), -1)
        return torch.einsum("hwk,bjk->bhwj", points, matrix) * (2 / CANVAS) - 1

    def matrices(
        self, g: torch.Generator, objects: Objects, chosen: Tensor, view: View,
        inside: bool,
    ) -> Tensor:
        """Output→canvas matrices that bring object `chosen` to the view; `inside` keeps the
        output within the photo where it is large enough."""
        count = len(chosen)
        box = objects.box[chosen]
        middle = (box[:, :2] + box[:, 2:]) / 2
        longest = (box[:, 2:] - box[:, :2]).amax(1)
        scale = view.side / longest
        centre = view.centre
        if inside:
            size = self.library.size[objects.photo[chosen]].flip(1)  # width, height
            scale = torch.maximum(scale, self.side / size.mean(1))
            extent = size * scale[:, None]
            left = centre - middle * scale[:, None]
            low = torch.minimum(self.side - extent, torch.zeros_like(extent))
            high = torch.maximum(self.side - extent, torch.zeros_like(extent))
            centre = left.clamp(low, high) + middle * scale[:, None]
        angle = self.uniform(g, count, low=-0.35, high=0.35)
        angle = angle * (self.uniform(g, count) < 0.3)
        flip = 1 - 2 * (self.uniform(g, count) < 0.5).float()
        stretch = torch.exp(self.uniform(g, count, low=-0.12, high=0.12))
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        a = torch.stack((flip * cos / stretch, -flip * sin, sin / stretch, cos), 1).view(-1, 2, 2)
        shift = middle - torch.einsum("bij,bj->bi", a, centre)
        return torch.cat((a, shift[..., None]), 2)

    def anywhere(self, g: torch.Generator, photo: Tensor, closest: float = 2.0) -> Tensor:
        """Matrices of random views that lie within the photos."""
        size = self.library.size[photo].flip(1)
        zoom = torch.exp(self.uniform(g, len(photo), high=math.log(closest)))
        span = size.amin(1) / zoom
        start = self.uniform(g, len(photo), 2) * (size - span[:, None])
        flip = (self.uniform(g, len(photo)) < 0.5).float()
        step = span / self.side
        a = torch.zeros(len(photo), 2, 3, device=self.device)
        a[:, 0, 0], a[:, 1, 1] = step * (1 - 2 * flip), step
        a[:, 0, 2], a[:, 1, 2] = start[:, 0] + flip * span, start[:, 1]
        return a

    def random_view(self, g: torch.Generator, count: int, low: float, high: float) -> View:
        side = self.side * torch.exp(self.uniform(g, count, low=math.log(low), high=math.log(high)))
        room = (self.side - 0.8 * side).clamp(min=0)
        centre = self.side / 2 + (self.uniform(g, count, 2) - 0.5) * room[:, None]
        return View(centre, side)

    def photos(
        self, g: torch.Generator, objects: Objects, view: View, inside: bool = True,
    ) -> Batch:
        """Objects where they stand in their photo."""
        chosen = self.draw(g, objects, len(view.side))
        photo = objects.photo[chosen]
        matrix = self.matrices(g, objects, chosen, view, inside)
        grid = self.grid(matrix)
        image = self.sample(g, matrix, photo)
        size = self.library.size[photo].flip(1)[:, None, None]
        point = (grid + 1) * (CANVAS / 2)
        valid = ((point >= 0) & (point < size)).all(-1)
        at = point.long().clamp(0, CANVAS - 1)
        labels = self.library.labels[photo[:, None, None], at[..., 1], at[..., 0]]
        whole = torch.gather(objects.pixels[chosen], 1,
                             self.library.labels[photo].flatten(1).long()).float()
        mask = F.grid_sample(whole.view(-1, 1, CANVAS, CANVAS), grid, mode="bilinear",
                             padding_mode="zeros", align_corners=False) * valid[:, None]
        anchors = valid & ((labels > 0) | self.library.full[photo][:, None, None])
        labels = torch.where(valid, labels, UNKNOWN)
        image = torch.where(valid[:, None], image, 0.5)
        return Batch(image, mask, valid[:, None].float(), labels, anchors)

    def composites(self, g: torch.Generator, count: int, shapes: float, view: View) -> Batch:
        """Cut-outs and shapes (`shapes` = share of them) on a photo; one of them is meant."""
        photo = torch.randint(len(self.library.photos), (count,), generator=g, device=self.device)
        image = self.sample(g, self.anywhere(g, photo), photo)
        owner = torch.zeros(count, self.side, self.side, dtype=torch.uint8, device=self.device)
        covers: list[Tensor] = []
        target = torch.randint(SLOTS, (count,), generator=g, device=self.device)
        for slot in range(SLOTS):
            mine = target == slot
            other = self.random_view(g, count, 0.1, 0.8)
            place = View(torch.where(mine[:, None], view.centre, other.centre),
                         torch.where(mine, view.side, other.side))
            thing, alpha = self.cutouts(g, count, place)
            shape, shape_alpha = self.shapes(g, count, place)
            pick = (self.uniform(g, count) < shapes)[:, None, None, None]
            thing, alpha = torch.where(pick, shape, thing), torch.where(pick, shape_alpha, alpha)
            # The meant object lies on top half the time; the others may be missing.
            present = mine | (self.uniform(g, count) < 0.6)
            alpha = alpha * present[:, None, None, None]
            thing = self.matched(g, thing, alpha, image)
            image = self.shadowed(g, image, alpha)
            image = image + alpha * (thing - image)
            covers = [cover * (1 - alpha) for cover in covers] + [alpha]
            owner = torch.where(alpha[:, 0] > 0.5, slot + 1, owner)
        stack = torch.stack(covers, 1)  # B×SLOTS×1×S×S
        mask = stack[torch.arange(count, device=self.device), target]
        whole = torch.ones_like(mask)
        return Batch(image, mask, whole, owner, owner > 0)

    def cutouts(self, g: torch.Generator, count: int, view: View) -> tuple[Tensor, Tensor]:
        """Labelled things with a feathered alpha: B×3×S×S and B×1×S×S."""
        order = torch.randperm(count, generator=g, device=self.device)
        view = View(view.centre[order], view.side[order])
        names = list(self.library.groups)
        share = [count * 2 // 5, count * 3 // 10]
        share.append(count - sum(share))
        images, alphas, start = [], [], 0
        for name, number in zip(names, share, strict=True):
            if number == 0:
                continue
            objects = self.library.groups[name]
            part = slice(start, start + number)
            chosen = self.draw(g, objects, number)
            photo = objects.photo[chosen]
            matrix = self.matrices(g, objects, chosen, View(view.centre[part], view.side[part]),
                                   False)
            labels = self.library.labels[photo].flatten(1).long()
            soft = torch.gather(objects.pixels[chosen], 1, labels).float()
            alpha = F.grid_sample(soft.view(number, 1, CANVAS, CANVAS), self.grid(matrix),
                                  mode="bilinear", padding_mode="zeros", align_corners=False)
            images.append(self.sample(g, matrix, photo))
            alphas.append(alpha)
            start += number
        alpha = F.avg_pool2d(torch.cat(alphas), 3, 1, 1)
        # A little smaller than the label, so that no rim of the old background comes along.
        alpha = ((alpha - 0.4) / 0.5).clamp(0, 1)
        back = torch.argsort(order)
        return torch.cat(images)[back], alpha[back]

    def shapes(self, g: torch.Generator, count: int, view: View) -> tuple[Tensor, Tensor]:
        """Bodies with limbs and wavy outlines, textured by one or two other photos."""
        at = torch.arange(self.side, device=self.device) + 0.5
        y, x = torch.meshgrid(at, at, indexing="ij")
        angle = self.uniform(g, count, high=2 * math.pi)[:, None, None]
        dx = (x - view.centre[:, 0, None, None]) / (view.side[:, None, None] / 2)
        dy = (y - view.centre[:, 1, None, None]) / (view.side[:, None, None] / 2)
        u = dx * torch.cos(angle) + dy * torch.sin(angle)
        v = dy * torch.cos(angle) - dx * torch.sin(angle)
        long = self.uniform(g, count, 1, 1, low=0.45, high=0.9)
        wide = long * self.uniform(g, count, 1, 1, low=0.25, high=1)
        power = torch.where(self.uniform(g, count, 1, 1) < 0.3, 4.0, 2.0)  # boxes among ellipses
        body = ((u.abs() / long) ** power + (v.abs() / wide) ** power) ** (1 / power) - 1
        field = body * wide
        for _ in range(4):
            start = (self.uniform(g, count, 2, 1, 1) * 1.4 - 0.7) * torch.stack((long, wide), 1)
            turn = self.uniform(g, count, 1, 1, high=2 * math.pi)
            reach = self.uniform(g, count, 1, 1, low=0.3, high=0.9)
            thick = self.uniform(g, count, 1, 1, low=0.03, high=0.2)
            ex, ey = reach * torch.cos(turn), reach * torch.sin(turn)
            px, py = u - start[:, 0], v - start[:, 1]
            along = ((px * ex + py * ey) / (ex * ex + ey * ey)).clamp(0, 1)
            limb = torch.hypot(px - along * ex, py - along * ey) - thick * (1 - 0.6 * along)
            has = self.uniform(g, count, 1, 1) < 0.55
            field = torch.where(has, torch.minimum(field, limb), field)
        noise = F.interpolate(self.uniform(g, count, 1, 12, 12, low=-1), (self.side, self.side),
                              mode="bicubic", align_corners=False)[:, 0]
        field = field + noise * self.uniform(g, count, 1, 1, high=0.14)
        pixel = 2 / view.side[:, None, None]
        alpha = (0.5 - field / pixel / 1.5).clamp(0, 1)[:, None]
        photo = torch.randint(len(self.library.photos), (2, count), generator=g,
                              device=self.device)
        first = self.sample(g, self.anywhere(g, photo[0], 6.0), photo[0])
        second = self.sample(g, self.anywhere(g, photo[1], 6.0), photo[1])
        # Stripes or patches of the second texture on some, so that not all things are plain.
        wave = torch.sin(u * self.uniform(g, count, 1, 1, low=4, high=24) + noise * 4)
        blend = torch.where(self.uniform(g, count, 1, 1) < 0.5, wave, noise * 3)
        blend = ((blend - self.uniform(g, count, 1, 1, low=-0.3, high=1.5)) * 4).clamp(0, 1)
        return first + blend[:, None] * (second - first), alpha

    def matched(self, g: torch.Generator, thing: Tensor, alpha: Tensor, image: Tensor) -> Tensor:
        """Moves the thing's mean colour towards the background's, and varies its contrast."""
        weight = alpha.sum((2, 3), keepdim=True) + 1
        mean = (thing * alpha).sum((2, 3), keepdim=True) / weight
        there = (image * alpha).sum((2, 3), keepdim=True) / weight
        pull = self.uniform(g, len(thing), 1, 1, 1, low=-0.2, high=0.75).clamp(min=0)
        contrast = self.uniform(g, len(thing), 1, 1, 1, low=0.6, high=1.2)
        tint = self.uniform(g, len(thing), 3, 1, 1, low=-0.08, high=0.08)
        return ((thing - mean) * contrast + mean + pull * (there - mean) + tint).clamp(0, 1)

    def shadowed(self, g: torch.Generator, image: Tensor, alpha: Tensor) -> Tensor:
        small = F.avg_pool2d(alpha, 8)
        small = F.avg_pool2d(small, 3, 1, 1)
        shift = int(torch.randint(-2, 3, (1,), generator=g, device=self.device))
        small = torch.roll(small, (1, shift), (2, 3))
        soft = F.interpolate(small, image.shape[-2:], mode="bilinear", align_corners=False)
        strength = (self.uniform(g, len(image), 1, 1, 1, low=-0.6, high=0.6)).clamp(min=0)
        return image * (1 - strength * soft)

    def photometric(self, g: torch.Generator, image: Tensor) -> Tensor:
        """Exposure, contrast, saturation, blur and noise; [0, 1] → [-1, 1]."""
        count = len(image)
        gamma = torch.exp(self.uniform(g, count, 1, 1, 1, low=-0.4, high=0.4))
        image = image.clamp(1e-3, 1) ** gamma
        image = image * self.uniform(g, count, 3, 1, 1, low=0.85, high=1.15)
        grey = image.mean(1, keepdim=True)
        colour = self.uniform(g, count, 1, 1, 1, low=0.4, high=1.4)
        colour = colour * (self.uniform(g, count, 1, 1, 1) > 0.05)
        image = grey + (image - grey) * colour
        soft = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        pick = self.uniform(g, count, 1, 1, 1)
        image = torch.where(pick < 0.2, soft, image)
        image = torch.where(pick > 0.85, image + (image - soft), image)
        noise = torch.randn(image.shape, generator=g, device=self.device)
        image = image + noise * self.uniform(g, count, 1, 1, 1, high=0.03)
        return (image.clamp(0, 1) - 0.5) * 2


def join(batches: list[Batch]) -> Batch:
    return Batch(*(torch.cat([getattr(b, name) for b in batches])
                   for name in ("image", "mask", "valid", "labels", "anchors")))
