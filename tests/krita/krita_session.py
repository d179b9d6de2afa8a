"""A real Krita under Xvfb: the user's actions by xdotool, the tests' questions by the probe."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from krita_places import REPO, Place

from plugin.installer import krita_plugin
from plugin.installer.console import Console
from plugin.installer.krita import Krita as Editor
from plugin.installer.kritarc import enable

OUT = REPO / "tests" / "out" / "screenshots"
START_SECONDS = 600  # 10 to 20 on an idle machine

# What every question may use, run once in the probe's namespace.
HELPERS = (Path(__file__).parent / "helpers_in_krita.py").read_text()


def install_plugin(user: Path, home: Path) -> None:
    """The plugin as the installer puts it into a user's folder, and the test's probe beside it."""
    resources = user / ".local" / "share" / "krita"
    kritarc = user / ".config" / "kritarc"
    rpyc = importlib.util.find_spec("rpyc")
    assert rpyc is not None and rpyc.origin is not None
    packages = Path(rpyc.origin).parents[1]
    editor = Editor("native", str(resources), str(kritarc))
    manifest: dict[str, Any] = {"trees": [], "files": [], "folders": [], "kritarc": []}
    krita_plugin.install(editor, str(REPO), str(packages), str(home), manifest, Console(yes=True))
    shutil.copytree(Path(__file__).parent / "probe", resources / "pykrita", dirs_exist_ok=True)
    enable(str(kritarc), "cleanplate_probe")


def install_backend(home: Path, place: Place) -> None:
    """`bin/cleanplate` of a CLEANPLATE_HOME that runs this environment's backend."""
    program = home / "bin" / "cleanplate"
    program.parent.mkdir(parents=True, exist_ok=True)
    run = f'PYTHONPATH="{REPO}" exec "{sys.executable}" -m backend "$@"'
    program.write_text(f"#!/bin/sh\n{place.launcher(run)}\n")
    program.chmod(0o755)


class Krita:
    """Started by `start`; `ask` evaluates Python code on Krita's GUI thread."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder = folder
        self.place = place
        self.home = folder / "cleanplate"
        self._probe = folder / "probe.sock"
        self._processes: list[subprocess.Popen[bytes]] = []
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        foreign = ("XDG_", "QT_", "PYTHON", "LD_LIBRARY_PATH")  # cv2 sets the last one
        keep = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        self.environment = dict(
            keep,
            # Krita's Python looks for its library beside the first python3 of PATH: a pyenv
            # there takes PyQt5 away from it.
            PATH=os.pathsep.join(("/usr/local/bin", "/usr/bin", "/bin")),
            HOME=str(folder / "home"),
            XDG_RUNTIME_DIR=str(runtime),
            LANG="C.UTF-8",
            LANGUAGE="en",
            CLEANPLATE_HOME=str(self.home),
            CLEANPLATE_PROBE=str(self._probe),
            # Compiled kernels are kept between runs of the tests: compiling takes a minute.
            NUMBA_CACHE_DIR=str(REPO / "tests" / "out" / "numba"),
        )
        install_plugin(folder / "home", self.home)
        install_backend(self.home, place)

    def start(self, *files: Path) -> None:
        self.environment["DISPLAY"] = self._start_display()
        self.wait(self._display_answers, "the display answers")
        self._start_krita(*files)

    def restart(self) -> None:
        """The user quits Krita, by its own menu entry, and starts it again."""
        krita = self._processes[-1]
        self.ask("close_all()\n"
                 "from PyQt5.QtCore import QTimer\n"
                 "QTimer.singleShot(0, app.action('file_quit').trigger)")
        self.wait(lambda: krita.poll() is not None, "Krita quits", START_SECONDS)
        self._processes.remove(krita)
        self._probe.unlink(missing_ok=True)
        self._start_krita()

    def _start_krita(self, *files: Path) -> None:
        log = (self.folder / "krita.log").open("ab")
        self._spawn(*self.place.command("krita", "--nosplash", *map(str, files)), log=log)
        self.wait(self._answers, "Krita starts", START_SECONDS)
        self.ask(HELPERS)
        # Without a window manager the window neither fills the screen nor gets the keyboard.
        self.ask("main().setGeometry(0, 0, 1600, 1000); main().activateWindow()")

    def stop(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(START_SECONDS)  # its memory is given back, page by page
        self.stop_backend()

    def ask(self, code: str, **values: Any) -> Any:
        """Runs `code` in Krita with `values` as variables; the value of `result` in it."""
        given = "".join(f"{name} = {value!r}\n" for name, value in values.items())
        answer = self._talk({"code": given + code})
        if "error" in answer:
            raise AssertionError(f"In Krita: {answer['error']}")
        return answer["result"]

    def eval(self, expression: str, **values: Any) -> Any:
        return self.ask(f"result = {expression}", **values)

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 90.0) -> Any:
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"Waited {seconds:.0f} s in vain: {what}")
            time.sleep(0.1)

    def wait_for(self, expression: str, seconds: float = 90.0) -> Any:
        return self.wait(lambda: self.eval(expression), expression, seconds)

    def xdo(self, *words: object) -> None:
        subprocess.run(
            ["xdotool", *map(str, words)], env=self.environment, check=True, timeout=120
        )

    def screenshot(self, name: str) -> Path:
        OUT.mkdir(parents=True, exist_ok=True)
        path = OUT / f"{name}.png"
        subprocess.run(
            ["import", "-window", "root", str(path)], env=self.environment, check=True, timeout=120
        )
        return path

    def backend_pid(self) -> int | None:
        try:
            return json.loads((self.home / "run" / "backend.json").read_text())["pid"]
        except (OSError, ValueError):
            return None

    def stop_backend(self) -> None:
        pid = self.backend_pid()
        if pid is not None:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                return  # already gone

    def _start_display(self) -> str:
        """Starts an Xvfb that takes a free number itself, and tells it when it is ready.

        It must not reset when a client leaves it: who connects in that moment is sent away."""
        told, tell = os.pipe()
        with open(told) as answer:
            self._spawn("Xvfb", "-displayfd", str(tell), "-screen", "0", "1600x1000x24",
                        "-nolisten", "tcp", "-noreset", keep=(tell,))
            os.close(tell)
            number = answer.readline().strip()  # empty when Xvfb ended
        assert number, "Xvfb did not start"
        return f":{number}"

    def _display_answers(self) -> bool:
        asked = subprocess.run(["xdotool", "getdisplaygeometry"], env=self.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        return asked.returncode == 0

    def _spawn(
        self, *command: str, log: Any = subprocess.DEVNULL, keep: tuple[int, ...] = ()
    ) -> None:
        process = subprocess.Popen(
            command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            pass_fds=keep,
        )
        self._processes.append(process)

    def _answers(self) -> bool:
        for process in self._processes:
            assert process.poll() is None, f"{process.args} ended: {self.log_tail()}"
        if not self._probe.exists():
            return False
        try:
            return self.eval("app.activeWindow() is not None")
        except OSError:
            return False  # not yet listening

    def log_tail(self) -> str:
        log = self.folder / "krita.log"
        return log.read_text(errors="replace")[-6000:] if log.exists() else ""

    def _talk(self, request: dict[str, Any]) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(300)
            link.connect(str(self._probe))
            link.sendall(json.dumps(request).encode() + b"\n")
            line = link.makefile().readline()
        assert line, f"Krita ended in the middle of a question: {self.log_tail()}"
        return json.loads(line)
