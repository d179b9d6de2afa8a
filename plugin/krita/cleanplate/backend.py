"""The plugin's connection to the backend. Blocking: call it from a Task only."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Optional

from .client import BackendError, Client

Report = Callable[[str, float, str], None]


class Backend:
    """One connection for all windows. It is made at the first need and again after a loss."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Optional[Client] = None

    def client(self, report: Optional[Report] = None) -> Client:
        """Connects, after starting the backend where none runs.

        Raises BackendError whose details are the backend's last log lines.
        """
        with self._lock:
            if self._client is None or not self._client.ping():
                self._close()
                self._client = Client.connect(on_progress=report)
            return self._client

    def info(self) -> Optional[Dict[str, Any]]:
        """What a running backend says about itself; None when none runs. Starts nothing."""
        try:
            client = Client.connect(start=False)
        except BackendError:
            return None
        try:
            return client.info()
        finally:
            client.close()

    def stop(self) -> None:
        """Ends the running backend, if there is one; jobs in it end, too."""
        self.close()
        try:
            client = Client.connect(start=False)
        except BackendError:
            return  # none runs, which is what was asked for
        client.stop_backend()

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
