"""What one connection owns: its buffers, pictures and jobs. All ends with it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backend.service import pixels
from backend.service.errors import Refused
from backend.service.handover import Buffers
from backend.service.pixels import Layout
from backend.service.window import Places

MOST_IMAGES = 8
MOST_IMAGE_BYTES = 1 << 32
MOST_ANSWERS = 8


@dataclass
class StoredImage:
    """A picture of the client. `answers` and `embeddings` belong to the compute thread."""

    data: np.ndarray
    layout: Layout
    embeddings: dict[Any, Any] = field(default_factory=dict)
    answers: OrderedDict[int, np.ndarray] = field(default_factory=OrderedDict)
    _rgb8: np.ndarray | None = None
    _last_answer: int = 0

    def decoded(self) -> np.ndarray:
        """H×W×(3|4) RGB(A) as the pipeline takes it."""
        return pixels.decode(self.data, self.layout)

    def rgb8(self) -> np.ndarray:
        """H×W×3 uint8 RGB, made once."""
        if self._rgb8 is None:
            from backend.pipeline.source import Source

            self._rgb8 = Source(self.decoded()).rgb8
        return self._rgb8

    def remember(self, answer: np.ndarray) -> int:
        """Keeps a click's probability for the next click; returns its number."""
        self._last_answer += 1
        self.answers[self._last_answer] = answer.astype(np.float16)
        while len(self.answers) > MOST_ANSWERS:
            self.answers.popitem(last=False)
        return self._last_answer


class Session:
    """Used by its connection's thread; `ended` may be asked by any."""

    def __init__(self, places: Places) -> None:
        self.buffers = Buffers(places)
        self.images: dict[int, StoredImage] = {}
        self.jobs: set[str] = set()
        self.ended = threading.Event()
        self._next_image = 1

    def end(self) -> None:
        self.ended.set()
        self.images.clear()
        self.buffers.close()

    def put_image(self, value: Any) -> int:
        """Keeps a picture that lies in a buffer; returns its handle."""
        image = self.image(value)
        total = image.layout.size + sum(i.layout.size for i in self.images.values())
        if len(self.images) >= MOST_IMAGES or total > MOST_IMAGE_BYTES:
            raise Refused("Too many pictures are kept in the backend; drop some.")
        number, self._next_image = self._next_image, self._next_image + 1
        self.images[number] = image
        return number

    def image(self, value: Any) -> StoredImage:
        """The picture of ("handle", number) or ("pixels", buffer, layout…), copied out."""
        if type(value) is tuple and len(value) == 2 and value[0] == "handle":
            image = self.images.get(value[1]) if type(value[1]) is int else None
            if image is None:
                raise Refused("This picture is no longer kept in the backend; send it again.")
            return image
        if type(value) is not tuple or len(value) < 2 or value[0] != "pixels":
            raise Refused("A picture is missing.")
        layout = Layout.checked(value[2:])
        data = self._taken(value[1])
        if data.size != layout.size:
            raise Refused(f"The picture has {data.size} bytes, expected {layout.size}.")
        return StoredImage(data, layout)

    def mask(self, value: Any, layout: Layout, name: str) -> np.ndarray:
        """H×W uint8 from ("bytes", buffer)."""
        data = self.bytes_of(value, name)
        if data.size != layout.width * layout.height:
            raise Refused(
                f"The {name} has {data.size} bytes, expected {layout.width} × {layout.height}."
            )
        return data.reshape(layout.height, layout.width)

    def bytes_of(self, value: Any, name: str) -> np.ndarray:
        """Flat uint8 from ("bytes", buffer)."""
        if type(value) is not tuple or len(value) != 2 or value[0] != "bytes":
            raise Refused(f"The {name} must be bytes.")
        return self._taken(value[1])

    def _taken(self, number: Any) -> np.ndarray:
        if type(number) is not int:
            raise Refused("There is no such buffer.")
        try:
            return self.buffers.take(number)
        except MemoryError:
            raise Refused("There is not enough memory for this picture.") from None
