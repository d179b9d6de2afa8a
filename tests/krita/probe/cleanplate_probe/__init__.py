"""Test-only plugin: evaluates the tests' questions on Krita's GUI thread.

Listens on the Unix socket named by CLEANPLATE_PROBE. One request is one line of JSON,
{"code": "…"}; the code runs in one lasting namespace and may set `result` to a JSON value.
"""

import faulthandler
import json
import os
import time
import traceback

from krita import Extension, Krita
from PyQt5.QtCore import QTimer
from PyQt5.QtNetwork import QLocalServer


class StallProbe:
    """Longest time that the event loop did not come round, by a timer of 5 ms."""

    def __init__(self):
        self.timer = QTimer()
        self.timer.setInterval(5)
        self.timer.timeout.connect(self._tick)
        self.stalls = []

    def start(self):
        self.stalls = []
        self.last = time.perf_counter()
        self.timer.start()

    def stop(self):
        self._tick()
        self.timer.stop()
        return self.stalls

    def _tick(self):
        now = time.perf_counter()
        if now - self.last > 0.02:
            self.stalls.append((self.last, now))
        self.last = now


class Probe(Extension):
    def setup(self):
        path = os.environ.get("CLEANPLATE_PROBE")
        if not path:
            return
        faulthandler.enable()  # a crash of Krita tells in its log which call it was in
        self.space = {"Krita": Krita, "app": Krita.instance(), "stalls": StallProbe()}
        self.sockets = set()
        self.server = QLocalServer()
        QLocalServer.removeServer(path)
        self.server.newConnection.connect(self._accept)
        self.server.listen(path)

    def createActions(self, window):
        self.space["window"] = window

    def _accept(self):
        socket = self.server.nextPendingConnection()
        self.sockets.add(socket)
        socket.disconnected.connect(lambda: self.sockets.discard(socket))
        socket.readyRead.connect(lambda: self._read(socket))
        self._read(socket)

    def _read(self, socket):
        while socket.canReadLine():
            request = json.loads(bytes(socket.readLine()).decode())
            self.space["result"] = None
            try:
                exec(request["code"], self.space)
                answer = {"result": self.space["result"]}
                line = json.dumps(answer)
            except BaseException:
                line = json.dumps({"error": traceback.format_exc()})
            socket.write(line.encode() + b"\n")
            socket.flush()


Krita.instance().addExtension(Probe(Krita.instance()))
