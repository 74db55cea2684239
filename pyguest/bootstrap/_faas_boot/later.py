"""Changes of modules that only some functions import: made when they are imported."""

from __future__ import annotations

import errno
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from _faas_boot import absent, inline


def install() -> None:
    """Have the import system call CHANGES."""
    # Debuggers and tracers leave out the frames of the import system by this name.
    Finder.find_spec.__code__ = Finder.find_spec.__code__.replace(co_filename="<frozen importlib._bootstrap>")
    sys.meta_path.insert(0, Finder)


class Finder:
    """Finds the modules of CHANGES, whose loaders then make them."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        change = CHANGES.get(name)
        if change is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


def _no_processes(*args, **kwargs):
    raise OSError(errno.ENOTSUP, "processes are absent: " + absent.PROCESSES)


def _process(module: ModuleType) -> None:
    module.BaseProcess.start = _no_processes


def _pool(module: ModuleType) -> None:
    module.Pool._setup_queues = _no_processes


def _managers(module: ModuleType) -> None:
    module.BaseManager.start = _no_processes


def _connection(module: ModuleType) -> None:
    module.Pipe = _no_processes


def _anyio(module: ModuleType) -> None:
    """Let anyio.to_thread run a call at once, as asyncio.to_thread does."""
    backend = module.AsyncIOBackend
    context_of_caller = module.copy_context

    async def run_sync_in_worker_thread(cls, func, args, abandon_on_cancel=False, limiter=None):
        await cls.checkpoint()
        async with limiter or cls.current_default_thread_limiter():
            context = context_of_caller()
            library = getattr(module, "sniffio", None)
            if library is not None:
                context.run(library.current_async_library_cvar.set, None)
            return inline.as_thread(lambda: func(*args), context)

    backend.run_sync_in_worker_thread = classmethod(run_sync_in_worker_thread)


def _ssl(module: ModuleType) -> None:
    """Give asyncio, which is imported before any function, the module that it did without."""
    from asyncio import base_events, selector_events, sslproto

    for user in (base_events, selector_events, sslproto):
        user.ssl = module
    sslproto.SSLAgainErrors = (module.SSLWantReadError, module.SSLSyscallError)


CHANGES = {
    "anyio._backends._asyncio": _anyio,
    "multiprocessing.connection": _connection,
    "multiprocessing.managers": _managers,
    "multiprocessing.pool": _pool,
    "multiprocessing.process": _process,
    "ssl": _ssl,
}
