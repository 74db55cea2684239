"""For function authors: the services of the platform.

A function's module body runs once, when it is deployed. Every run starts from
the memory after that, so module-level state is the same for every run: good
for imports and tables, wrong for anything that must be fresh, such as a
timestamp or a seeded generator. Register a hook to renew such state:

    import faas

    @faas.register_after_restore
    def renew():
        global started
        started = time.time()
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["register_after_restore"]

_after_restore: list[Callable[[], object]] = []


def register_after_restore(hook: Callable[[], object]) -> Callable[[], object]:
    """Register `hook()` to be called at the start of every run, before `main`.

    Hooks run in the order of registration and within the run's time and memory
    limits; one that raises fails the run. Returns `hook`, so that it can be
    used as a decorator. Only hooks that the module body registers, at
    deployment, are called.

    Raises TypeError if hook is not callable.
    """
    if not callable(hook):
        raise TypeError("register_after_restore takes a callable, not %s" % type(hook).__name__)
    _after_restore.append(hook)
    return hook
