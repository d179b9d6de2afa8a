"""Lines of advert text, drawn once with the training fonts and pasted by the composer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WORDS = (
    "SALE", "New", "Limited", "only today", "50% OFF", "From $19.99", "Season's best", "Street",
    "Collection", "www.example.com", "Free shipping", "Summer", "Autumn", "Be bold", "Your style",
    "Extra 20%", "Members", "Classic", "Discover", "Live the moment", "Style", "Best price",
    "2 for 1", "Weekend deal", "Fresh", "Everything", "must go", "more", "now", "FASHION",
)  # fmt: skip


def draw_lines(fonts: Path, count: int, seed: int, height: int = 64) -> list[np.ndarray]:
    """`count` lines as H×W×1 uint8 (255 = ink), at most 8 times as wide as high."""
    from PIL import Image, ImageDraw, ImageFont

    rng = np.random.default_rng(seed)
    files = sorted(fonts.glob("*.[ot]tf"))
    lines = []
    for index in range(count):
        words = rng.choice(WORDS, int(rng.integers(1, 4)))
        text = " ".join(str(word) for word in words)
        if rng.random() < 0.3:
            text = text.upper()
        path = str(files[index % len(files)]) if files else None
        font = ImageFont.truetype(path, height) if path else ImageFont.load_default(height)
        x0, y0, x1, y1 = (int(v) for v in font.getbbox(text))
        width = min(x1 - x0 + 8, height * 8)
        image = Image.new("L", (max(8, width), max(8, y1 - y0 + 8)), 0)
        stroke = int(rng.integers(0, 3)) if rng.random() < 0.3 else 0
        draw = ImageDraw.Draw(image)
        draw.text((4 - x0, 4 - y0), text, fill=255, font=font, stroke_width=stroke)
        lines.append(np.asarray(image)[..., None])
    return lines
