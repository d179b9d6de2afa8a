"""The jobs: one compute thread with a priority queue, one side thread for downloads.

A click goes before long jobs, also before one that runs already: whenever the running job
reports progress, clicks that wait are done first, in the same thread, so that there is never
more than one caller of numba or the GPU.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import secrets
import threading
import time
from typing import Any

from backend.service.errors import Refused, message_for
from backend.service.kinds import COMPUTE, SIDE, Answer, Context, Kind
from backend.service.session import Session
from backend.values import Cancelled, CleanPlateError, Control
from plugin.client.protocol import CANCELLED, DONE, ENDED, FAILED, QUEUED, RUNNING

log = logging.getLogger("cleanplate.jobs")

MOST_JOBS = 32  # of one connection, ended ones that are not released included

JobStatus = tuple[str, str, float, str]


class Job:
    """One job. Its fields are guarded by `Jobs._changed`."""

    def __init__(self, kind: Kind, request: Any, session: Session) -> None:
        self.id = secrets.token_hex(8)
        self.kind = kind
        self.request = request
        self.session = session
        self.state = QUEUED
        self.stage, self.fraction, self.text = "", 0.0, ""
        self.answer: Answer | None = None
        self.cancelled = threading.Event()

    @property
    def status(self) -> JobStatus:
        return self.state, self.stage, self.fraction, self.text


class Jobs:
    """All jobs of the process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._jobs: dict[str, Job] = {}
        self._changed = threading.Condition()
        self._order = itertools.count()
        self._queues: dict[str, list[tuple[int, int, Job]]] = {COMPUTE: [], SIDE: []}
        self._compute: threading.Thread | None = None

    def start(self) -> None:
        for lane in self._queues:
            thread = threading.Thread(target=self._work, args=(lane,), name=lane, daemon=True)
            if lane == COMPUTE:
                self._compute = thread
            thread.start()

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._changed:
            return any(job.state not in ENDED for job in self._jobs.values())

    def submit(self, kind: Kind, request: Any, session: Session) -> str:
        job = Job(kind, request, session)
        with self._changed:
            if len(session.jobs) >= MOST_JOBS:
                raise Refused("Too many jobs of this editor are waiting; release some.")
            self._jobs[job.id] = job
            session.jobs.add(job.id)
            entry = (0 if kind.interactive else 1, next(self._order), job)
            heapq.heappush(self._queues[kind.lane], entry)
            self._changed.notify_all()
        return job.id

    def status(self, number: str) -> JobStatus:
        with self._changed:
            return self._get(number).status

    def wait(self, number: str, seconds: float) -> JobStatus:
        """The status, at the end of the job or after `seconds`."""
        until = time.monotonic() + seconds
        with self._changed:
            job = self._get(number)
            while job.state not in ENDED:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return job.status

    def cancel(self, number: str) -> JobStatus:
        """The job counts as cancelled at once; its thread stops at its next check."""
        with self._changed:
            job = self._get(number)
            job.cancelled.set()
            if job.state not in ENDED:
                job.state, job.text = CANCELLED, "Cancelled"
                self._changed.notify_all()
            return job.status

    def answer(self, number: str) -> Answer:
        with self._changed:
            job = self._get(number)
            if job.state == DONE and job.answer is not None:
                return job.answer
            if job.state == FAILED:
                raise Refused(job.text)
            raise Refused(f"There is no result: the job is {job.state}.")

    def release(self, number: str) -> None:
        """Forgets a job and its answer; a running one is cancelled."""
        with self._changed:
            job = self._jobs.pop(number, None)
            if job is None:
                return
            job.cancelled.set()
            if job.state not in ENDED:
                job.state = CANCELLED
            job.answer = None
            job.session.jobs.discard(number)
            self._changed.notify_all()

    def end_session(self, session: Session) -> None:
        for number in tuple(session.jobs):
            self.release(number)

    def cancel_all(self) -> None:
        """At the end of the process."""
        for number in tuple(self._jobs):
            self.release(number)

    def _get(self, number: str) -> Job:
        job = self._jobs.get(number)
        if job is None:
            raise Refused("There is no such job.")
        return job

    def _work(self, lane: str) -> None:
        queue = self._queues[lane]
        while True:
            with self._changed:
                while not queue:
                    self._changed.wait()
                _, _, job = heapq.heappop(queue)
            self._run(job)

    def _run(self, job: Job) -> None:
        with self._changed:
            if job.state != QUEUED:
                job.request = None
                return
            job.state = RUNNING
        control = Control(
            on_progress=lambda stage, fraction, text: self._progress(job, stage, fraction, text),
            cancelled=job.cancelled.is_set,
        )
        started = time.monotonic()
        answer, state, text = None, FAILED, ""
        try:
            answer = job.kind.run(job.request, self._context, control)
            state = DONE
        except Cancelled:
            state, text = CANCELLED, "Cancelled"
        except CleanPlateError as error:
            text = message_for(error)
            log.info("%s failed: %s", job.kind.name, error)
        except BaseException as error:
            text = message_for(error)
            log.exception("%s failed", job.kind.name)
        with self._changed:
            job.request = None
            if job.state == RUNNING:
                job.state = state
                job.text = text
                if state == DONE:
                    job.answer, job.fraction = answer, 1.0
            state = job.state
            self._changed.notify_all()
        log.info("%s: %s after %.2f s", job.kind.name, state, time.monotonic() - started)

    def _progress(self, job: Job, stage: str, fraction: float, text: str) -> None:
        with self._changed:
            if job.state == RUNNING:
                if stage != job.stage or text:
                    job.text = str(text)
                job.stage, job.fraction = str(stage), float(fraction)
        if not job.kind.interactive and threading.current_thread() is self._compute:
            self._do_interactive()

    def _do_interactive(self) -> None:
        """Runs the clicks that wait, inside the job that just reported progress."""
        queue = self._queues[COMPUTE]
        while queue:
            with self._changed:
                if not queue or queue[0][0] != 0:
                    return
                _, _, job = heapq.heappop(queue)
            self._run(job)
