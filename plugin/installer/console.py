"""What the installer prints and asks."""

import sys
import time
from typing import List, Optional


class InstallError(Exception):
    """Set-up cannot go on; the message says what to do."""


class Console:
    """Numbered steps, warnings kept for the end, and questions that scripts need not answer."""

    def __init__(self, yes: bool = False, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.terminal = bool(sys.stdout.isatty())
        self.interactive = not yes and bool(sys.stdin is not None and sys.stdin.isatty())
        self.warnings: List[str] = []
        self._last_tick = 0.0
        self._ticking = False

    def step(self, text: str) -> None:
        self.end_tick()
        print("==> " + text, flush=True)

    def say(self, text: str) -> None:
        self.end_tick()
        print("    " + text, flush=True)

    def would(self, text: str) -> None:
        """A line of `--dry-run`."""
        self.say("would " + text)

    def warn(self, text: str) -> None:
        """Shown at once and again at the end."""
        self.end_tick()
        self.warnings.append(text)
        print("  ! " + text, flush=True)

    def tick(self, text: str, every: float = 10.0) -> None:
        """Progress: one rewritten line on a terminal, a line every `every` seconds elsewhere."""
        now = time.monotonic()
        if self.terminal:
            if now - self._last_tick >= 0.1:
                print("\r\033[K    " + text[:100], end="", flush=True)
                self._last_tick, self._ticking = now, True
        elif now - self._last_tick >= every:
            print("    " + text, flush=True)
            self._last_tick = now

    def end_tick(self) -> None:
        if self._ticking:
            print("\r\033[K", end="", flush=True)
            self._ticking = False

    def ask(self, question: str, default: bool) -> bool:
        """The user's answer, or `default` where nobody can be asked."""
        if not self.interactive:
            return default
        hint = "[Y/n]" if default else "[y/N]"
        try:
            answer = input("    %s %s " % (question, hint)).strip().lower()
        except EOFError:
            return default
        return default if not answer else answer in ("y", "yes")

    def finish(self, text: Optional[str] = None) -> None:
        self.end_tick()
        if len(self.warnings) > 1:
            print("\nTo look at:")
            for warning in self.warnings:
                print("  ! " + warning)
        if text:
            print("\n" + text, flush=True)
