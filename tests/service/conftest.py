"""Fixtures: real backend processes, and clients that are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from service_support import BackendProcess, serve_command

from plugin.client import Client


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., BackendProcess]]:
    """start(*arguments, kinds=False, home=None, ready=True, **Popen options)"""
    started: list[BackendProcess] = []

    def begin(*arguments: str, kinds: bool = False, ready: bool = True, **options: Any):
        place = options.pop("home", home)
        command = options.pop("command", None) or serve_command(*arguments, kinds=kinds)
        process = BackendProcess(place, command, **options)
        started.append(process)
        if ready:
            process.wait_ready()
        return process

    yield begin
    for process in started:
        process.end()


@pytest.fixture
def backend(start: Callable[..., BackendProcess]) -> BackendProcess:
    return start(kinds=True)


@pytest.fixture
def connect(home: Path) -> Iterator[Callable[..., Client]]:
    """connect(**Client.connect options) to the backend that runs in `home`."""
    clients: list[Client] = []

    def open_client(**options: Any) -> Client:
        place = options.pop("home", str(home))
        client = Client.connect(home=place, **{"start": False, **options})
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        client.close()
