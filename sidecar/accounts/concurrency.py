"""Concurrent parts of a sync."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def run_concurrently(
    work: Callable[[T], Awaitable[None]],
    items: Iterable[T],
    limit: int,
    *,
    is_fatal: Callable[[Exception], bool] = lambda _: True,
) -> None:
    """Calls `work` with each item, at most `limit` at a time.  A fatal error cancels the other calls.

    Raises the first fatal error, or else the first one, without an exception group around it.
    """
    pending = iter(items)
    errors: list[Exception] = []

    async def run() -> None:
        for item in pending:
            try:
                await work(item)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
                if is_fatal(error):
                    tasks.cancel_scope.cancel()
                    return

    async with anyio.create_task_group() as tasks:
        for _ in range(limit):
            tasks.start_soon(run)
    if errors:
        raise next(filter(is_fatal, errors), errors[0])
