"""What lies where under CLEANPLATE_HOME. The default is that of backend/home.py."""

import os
import sys
from typing import Mapping, Optional

TREES = ("env", "app", "models", "logs", "run", "cache", "demo", "editors")
SETTINGS = ("settings.json",)


def default_home(environ: Mapping[str, str], platform: str, user: str) -> str:
    """CLEANPLATE_HOME, else the platform's user-data folder `cleanplate`."""
    given = environ.get("CLEANPLATE_HOME")
    if given:
        return os.path.abspath(os.path.expanduser(given))
    if platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.join(user, "AppData", "Local")
    elif platform == "darwin":
        base = os.path.join(user, "Library", "Application Support")
    else:
        base = environ.get("XDG_DATA_HOME") or os.path.join(user, ".local", "share")
    return os.path.join(base, "cleanplate")


class Layout:
    """The paths of one installation."""

    def __init__(self, home: Optional[str] = None, windows: Optional[bool] = None) -> None:
        user = os.path.expanduser("~")
        self.home = os.path.abspath(home or default_home(os.environ, sys.platform, user))
        self.windows = sys.platform == "win32" if windows is None else windows
        self.env = self._at("env")
        self.app = self._at("app")
        self.bin = self._at("bin")
        self.logs = self._at("logs")
        self.demo = self._at("demo")
        self.manifest = self._at("manifest.json")
        self.log = os.path.join(self.logs, "install.log")
        self.env_stamp = os.path.join(self.env, "cleanplate-environment.json")
        self.app_stamp = os.path.join(self.app, "cleanplate-sources.txt")
        if self.windows:
            self.python = os.path.join(self.env, "Scripts", "python.exe")
            self.launcher = os.path.join(self.bin, "cleanplate.cmd")
        else:
            self.python = os.path.join(self.env, "bin", "python")
            self.launcher = os.path.join(self.bin, "cleanplate")

    def _at(self, name: str) -> str:
        return os.path.join(self.home, name)
