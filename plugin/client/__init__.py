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
    Image,
    ImageHandle,
    JobCancelled,
    Reply,
    Status,
)

__all__ = [
    "BackendError",
    "CleanReply",
    "CleanRequest",
    "Client",
    "ClickReply",
    "ConnectionLost",
    "Image",
    "ImageHandle",
    "Job",
    "JobCancelled",
    "Reply",
    "Status",
    "find_home",
    "log_tail",
]
