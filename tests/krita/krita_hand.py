"""The user's hand at a real Krita: mouse and keys by xdotool, each one waited for.

A loaded machine takes seconds for what takes milliseconds here. So nothing counts on a pause: a
recorder inside Krita tells when a press or a key has come in, `steady` when nothing moves any
more, and a gesture that Krita did not take is made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from krita_session import Krita

TAKEN_SECONDS = 20  # until a gesture is made again
TRIES = 3
PAUSE = 0.06  # Krita bundles the moves of the mouse that come within a frame


class Hand(Krita):
    """Krita with a mouse and a keyboard. Places are [x, y] on the screen."""

    def steady(self, expression: str, **values: Any) -> Any:
        """The value of `expression` as soon as it stays the same for four turns of Krita's loop."""
        seen: list[Any] = []

        def same() -> bool:
            seen.append(self.eval(expression, **values))
            return len(seen) > 3 and seen[-1] is not None and seen[-4:] == [seen[-1]] * 4

        self.wait(same, f"{expression} stays the same")
        return seen[-1]

    def settle(self) -> None:
        """Nothing is left to compute or to lay out: for pictures, and before a gesture."""
        self.ask("doc() is None or doc().waitForDone()")
        self.steady("[doc() is None or (doc().waitForDone(), canvas() is not None)[1], windows(),"
                    " view_state()]")

    def focus(self) -> None:
        """The keyboard belongs to the canvas; without a window manager nobody else sees to it."""
        self.wait_for(
            "main().isActiveWindow() and canvas().widget.hasFocus() or "
            "(main().activateWindow(), canvas().widget.setFocus(), False)[2]"
        )

    def point(self, x: float, y: float) -> None:
        """Moves the pointer, until Krita has seen it there."""
        place = [round(x), round(y)]
        if self.eval("hand.rests(place)", place=place):
            return  # no move would come
        self.ask("hand.start()")
        for _ in range(TRIES):
            self.xdo("mousemove", *place)
            if self.comes("hand.place == place", place=place):
                return
        raise AssertionError(f"Krita did not see the pointer at {place}: {self.state()}")

    def press(self, button: int = 1) -> None:
        self._button("mousedown", button, "hand.presses")

    def release(self, button: int = 1) -> None:
        self._button("mouseup", button, "hand.releases")
        self.ask("hand.stop()")

    def click(self, x: float, y: float, button: int = 1) -> None:
        self.point(x, y)
        if button > 3:  # the wheel
            self.xdo("click", button)
            self.ask("hand.stop()")
            return
        self.press(button)
        self.release(button)

    def drag(self, places: Sequence[Sequence[float]], button: int = 1) -> None:
        """Through all `places`, slowly, with the button down."""
        self.point(*places[0])
        self.press(button)
        for place in places[1:]:
            self.point(*place)
            time.sleep(PAUSE)
        self.release(button)

    def key(self, *names: str) -> None:
        """Presses keys one after the other, each until Krita has seen it."""
        for name in names:
            for _ in range(TRIES):
                self.wait_for("QApplication.activeWindow() is not None or "
                              "main().activateWindow()")
                self.ask("hand.start()")
                self.xdo("key", "--clearmodifiers", name)
                if self.comes(f"len(hand.keys) >= {len(name.split('+'))}"):
                    break
            else:
                raise AssertionError(f"Krita did not see the key {name}: {self.state()}")
        self.ask("hand.stop()")

    def canvas_key(self, name: str) -> None:
        self.focus()
        self.key(name)

    def held(self, key: str, act: Callable[[], None]) -> None:
        """`act` while a key such as shift is held."""
        flag = {"shift": "ShiftModifier", "alt": "AltModifier"}[key]
        self.xdo("keydown", key)
        try:
            self.wait_for(f"bool(QApplication.queryKeyboardModifiers() & Qt.{flag})")
            act()
        finally:
            self.xdo("keyup", key)
        self.wait_for(f"not QApplication.queryKeyboardModifiers() & Qt.{flag}")

    def menu(self, entry: str) -> None:
        """Filter ▸ Clean Plate ▸ `entry` by the mouse, as a user does."""
        self.ask("fired.watch(entry)", entry=entry)
        for _ in range(TRIES):
            self.open_menu()
            if self.comes("menu_position(entry) is not None", entry=entry):
                self.click(*self.steady("menu_position(entry)", entry=entry))
                if self.comes("fired.count > 0"):
                    return
        raise AssertionError(f"the menu's {entry} cannot be clicked: {self.state()}")

    def open_menu(self) -> None:
        """Opens Filter ▸ Clean Plate and leaves it open."""
        for _ in range(TRIES):
            self.ask("close_menus()")
            self.click(*self.steady("menu_title_position('Filter')"))
            if self.comes("menu_position('cleanplate_menu') is not None"):
                self.click(*self.steady("menu_position('cleanplate_menu')"))
                if self.comes("menu_position('cleanplate_settings') is not None"):
                    return
        raise AssertionError(f"the menu cannot be opened: {self.state()}")

    def comes(self, expression: str, seconds: float = TAKEN_SECONDS, **values: Any) -> bool:
        """Whether `expression` comes true in time."""
        end = time.monotonic() + seconds
        while not self.eval(f"bool({expression})", **values):
            if time.monotonic() > end:
                return False
            time.sleep(0.03)
        return True

    def state(self) -> str:
        """For messages: what a person would look at first."""
        return str(self.eval(
            "dict(active=active_name() if doc() else None, modal=modal(), windows=windows(),"
            " hand=vars(hand), main_is_active=main().isActiveWindow(),"
            " focus=str(QApplication.focusWidget()),"
            " modifiers=int(QApplication.queryKeyboardModifiers()))"))

    def _button(self, word: str, button: int, counter: str) -> None:
        before = self.eval(f"(hand.start(), {counter})[1]")
        self.xdo(word, button)
        if not self.comes(f"{counter} > before", before=before):
            raise AssertionError(f"Krita did not see {word} {button}: {self.state()}")
