"""Reading, fusing and writing at the same time, in order, with one sample of each in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from fusionlab.data.dataset import FusionDataset
from fusionlab.settings.checks import shard_of


def read_ahead(
    dataset: FusionDataset, places: Sequence[int]
) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    """Samples in order; while one is fused, the next is read.

    Args:
        dataset: The samples.
        places: Which of them, in which order.

    Yields:
        The place of a sample, and what gives it, or raises what reading it raised.
    """
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(dataset.__getitem__, places[0]) if places else None
        for following, place in zip([*places[1:], None], places, strict=True):
            assert coming is not None
            now = coming
            coming = None if following is None else pool.submit(dataset.__getitem__, following)
            yield place, now.result


class WriteBehind:
    """Writes one thing after the other while the next is made; leaving it waits for the last.

    What writing raises is raised where the next is given, or at the end.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __call__(self, write: Callable[..., None], *arguments: Any) -> None:
        """Write, once what was given before is written."""
        self._wait()
        self._last = self._pool.submit(write, *arguments)

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._wait()
        finally:
            self._pool.shutdown()

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()


def places_of_shard(shard: str | None, count: int) -> list[int]:
    """Places of the samples of a shard ``i/n``, every n-th from the i-th; all where there is none.

    Raises:
        InputError: If it is no shard.
    """
    first, step = shard_of(shard)
    return list(range(first - 1, count, step))
