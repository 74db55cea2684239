"""For function authors: the services of the platform.

A function's module body runs once, when it is deployed. Every run starts from
the memory after that, so module-level state is the same for every run: good
for imports and tables, wrong for anything that must be fresh, such as a
timestamp or a seeded generator. Two hooks deal with that:

    import faas

    @faas.warm_up
    def warm_up():  # at deployment, before the memory is stored
        main({"name": "warm-up"}, {})

    @faas.register_after_restore
    def renew():  # at the start of every run
        global started
        started = time.time()

`faas.execution` says what a run is, `faas.log` writes lines that programs can read:

    def main(args, context):
        faas.log("begins", attempt=faas.execution.attempt)
"""

from __future__ import annotations

from collections.abc import Callable

from faas import _execution, _log

__all__ = ["Execution", "execution", "log", "register_after_restore", "warm_up"]

Execution = _execution.Execution
Execution.__module__ = __name__
execution = Execution()
log = _log.log
log.__module__ = __name__

_after_restore: list[Callable[[], object]] = []
_warm_up: list[Callable[[], object]] = []


def register_after_restore(hook: Callable[[], object]) -> Callable[[], object]:
    """Register `hook()` to be called at the start of every run, before `main`.

    Hooks run in the order of registration and within the run's time and memory
    limits; one that raises fails the run. Returns `hook`, so that it can be
    used as a decorator. Only hooks that the module body registers, at
    deployment, are called.

    Raises TypeError if hook is not callable.
    """
    return _registered("register_after_restore", hook, _after_restore)


def warm_up(hook: Callable[[], object]) -> Callable[[], object]:
    """Register `hook()` to be called when the function is deployed, after its module body.

    Everything that it leaves in memory is there when a run begins: modules that libraries import
    when they are first used, caches, compiled regular expressions. A call of `main` with sample
    arguments is a good hook. Hooks run in the order of registration, and within the time and memory
    of the deployment; one that raises fails the deployment. One that is async is awaited. They run
    again whenever the memory is made again, so they should have no effects elsewhere. Returns
    `hook`, so that it can be used as a decorator.

    Raises TypeError if hook is not callable.
    """
    return _registered("warm_up", hook, _warm_up)


def _registered(name: str, hook: Callable[[], object], hooks: list[Callable[[], object]]) -> Callable[[], object]:
    if not callable(hook):
        raise TypeError("%s takes a callable, not %s" % (name, type(hook).__name__))
    hooks.append(hook)
    return hook
