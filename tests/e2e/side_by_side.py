"""Benches side by side, each in a place and a thread of its own, that strike one cause after another."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from running import starter
from safe_causes import Cause, Struck, series
from site_safe import Bench, NotHere


class _Place(threading.local):
    """Of this thread: its bench, and what ends that."""

    def __init__(self) -> None:
        self.bench: Bench | None = None
        self.ends = ExitStack()


class Range:
    """So many benches at a time; the folders of all that there ever are lie in ``folder``."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._folder, self._numbers = folder, itertools.count(1)
        self._pool = ThreadPoolExecutor(jobs, "bench")
        self._place = _Place()
        self._open: list[ExitStack] = []
        self._waiting: list[tuple[Cause, int, Future[list[Struck]]]] = []
        self._choosing = threading.Lock()

    def strike(self, cause: Cause, times: int) -> Future[list[Struck]]:
        """What comes of striking so many times, as soon as a bench is free."""
        coming: Future[list[Struck]] = Future()
        self._waiting.append((cause, times, coming))
        self._pool.submit(self._next)
        return coming

    def _next(self) -> None:
        """What waits longest for a bench such as here is one, else what waits longest."""
        with self._choosing:
            chosen = next((each for each in self._waiting if self._fits(each[0])), self._waiting[0])
            self._waiting.remove(chosen)
        cause, times, coming = chosen
        try:
            coming.set_result(self._series(cause, times))
        except BaseException as why:
            coming.set_exception(why)

    def _fits(self, cause: Cause) -> bool:
        bench = self._place.bench
        return bench is not None and (type(bench), bench.protocol) == (cause.bench, cause.protocol)

    def _series(self, cause: Cause, times: int) -> list[Struck]:
        bench = self._bench(cause)
        try:
            return series(bench, cause, times)
        except NotHere:
            raise  # before anything was struck
        except BaseException:
            self._leave()  # who knows what is still there of it
            raise

    def _bench(self, cause: Cause) -> Bench:
        """The one of this place, or another where the cause needs it."""
        here = self._place
        if here.bench is None or not self._fits(cause):
            self._leave()
            number = next(self._numbers)
            start = here.ends.enter_context(starter())
            self._open.append(here.ends)
            folder = self._folder / str(number)
            folder.mkdir()
            here.bench = cause.bench(folder, start, number, cause.protocol)
            here.ends.callback(here.bench.close)
        return here.bench

    def _leave(self) -> None:
        self._place.bench = None
        self._place.ends.close()

    def close(self) -> None:
        """What has not begun does not; what has is waited for. Then nothing is left."""
        self._pool.shutdown(cancel_futures=True)
        for each in self._open:
            each.close()


@contextmanager
def side_by_side(folder: Path, jobs: int) -> Iterator[Range]:
    """A range, closed at the end."""
    made = Range(folder, jobs)
    try:
        yield made
    finally:
        made.close()
