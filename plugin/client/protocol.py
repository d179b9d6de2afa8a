"""Constants that both ends of the wire share. Nothing here imports more than the language."""

PROTOCOL = 3
LOOPBACK = "127.0.0.1"

TOKEN_LENGTH = 64  # ASCII characters, sent before anything else
TOKEN_SECONDS = 5.0  # how long the backend waits for them

RUN_FILE = "backend.json"
RUN_KEYS = ("host", "port", "token", "pid", "protocol", "version")

# Pixels go through a window file of SLOTS slots: one end fills a slot while the other empties the
# one before it. Small enough that both stay in the processors' caches; tests/bench/handover.py.
SLOT = 1 << 21
SLOTS = 2
# Pixels that cannot go through a window go through calls of this size: large enough that
# the cost of a call does not count, small enough to stay in the processor's cache.
CHUNK = 1 << 20
CHUNKS_IN_FLIGHT = 8
FRAME_LIMIT = CHUNK + (1 << 16)
PROBE_BYTES = 32

MAX_SIDE = 65536
MAX_PIXELS = 1 << 28
MAX_BUFFER = 1 << 33
MAX_TEXT = 1 << 15
MAX_POINTS = 4096

DEPTH_BYTES = {"u8": 1, "u16": 2, "f16": 2, "f32": 4}
ORDER_CHANNELS = {"BGRA": 4, "RGBA": 4, "GRAYA": 2, "GRAY": 1}

QUEUED = "queued"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"
ENDED = (DONE, FAILED, CANCELLED)
