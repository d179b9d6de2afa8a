"""The editor-independent half of the plugin: finds or starts the backend and talks to it.

    with Client.connect() as client:
        job = client.submit_clean(Image(w, h, 4, "u8", "BGRA", data), {"text": True})
        job.wait(on_progress=show)
        reply = job.result()

Python 3.8, standard library and rpyc only; this folder is copied into each editor's plugin.
"""

from .client import Client
from .jobs import Job
from .launch import find_home, log_tail
from .values import (
    BackendError,
    CleanReply,
    CleanRequest,
    ClickReply,
    ConnectionLost,
    CutOut,
    CutOutReply,
    FindReply,
    Image,
    ImageHandle,
    Item,
    JobCancelled,
    Reply,
    SeparateReply,
    Status,
)

__all__ = [
    "BackendError",
    "CleanReply",
    "CleanRequest",
    "Client",
    "ClickReply",
    "ConnectionLost",
    "CutOut",
    "CutOutReply",
    "FindReply",
    "Image",
    "ImageHandle",
    "Item",
    "Job",
    "JobCancelled",
    "Reply",
    "SeparateReply",
    "Status",
    "find_home",
    "log_tail",
]
