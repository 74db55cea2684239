"""Changes of modules that only some functions import: made when they are imported."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
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
    pool = module.ThreadPool

    def __init__(self, processes=None, initializer=None, initargs=()):
        self._state = module.INIT
        if processes is not None and processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._processes = processes or 1
        self._pool = [None] * self._processes
        self._cache = {}
        self._change_notifier = None
        self._taskqueue = _Tasks(self._cache)
        if initializer is not None:
            inline.in_worker(lambda: initializer(*initargs), self._taskqueue.idle)
        self._state = module.RUN

    def close(self):
        if self._state == module.RUN:
            self._state = module.CLOSE

    def terminate(self):
        self._state = module.TERMINATE

    def join(self):
        if self._state == module.RUN:
            raise ValueError("Pool is still running")

    for function in (__init__, close, terminate, join):
        function.__doc__ = getattr(pool, function.__name__).__doc__
        function.__module__, function.__qualname__ = pool.__module__, "ThreadPool." + function.__name__
        setattr(pool, function.__name__, function)


class _Tasks:
    """The queue of a ThreadPool: what is put is run at once."""

    def __init__(self, results: dict) -> None:
        self.idle = []
        self._results = results

    def put(self, item: tuple) -> None:
        """Run the tasks of a call, and store what they return."""
        tasks, set_length = item
        count = 0
        for job, index, function, args, options in tasks:
            try:
                outcome = (True, inline.in_worker(lambda: function(*args, **options), self.idle))  # noqa: B023
            except Exception as error:
                outcome = (False, error)
            self._results[job]._set(index, outcome)
            count = index + 1
        if set_length:
            set_length(count)


def _managers(module: ModuleType) -> None:
    module.BaseManager.start = _no_processes


def _connection(module: ModuleType) -> None:
    module.Pipe = _no_processes


def _anyio(module: ModuleType) -> None:
    """Let anyio.to_thread run a call at once, as asyncio.to_thread does."""
    backend = getattr(module, "AsyncIOBackend", None)
    if backend is None:
        return  # before version 4
    from anyio._core import _eventloop

    async def run_sync_in_worker_thread(cls, func, args, abandon_on_cancel=False, limiter=None):
        await cls.checkpoint()
        async with limiter or cls.current_default_thread_limiter():
            with module.CancelScope(shield=not abandon_on_cancel) as scope:
                context = module.copy_context()
                leave_library = getattr(_eventloop, "set_current_async_library", None)
                if leave_library is not None:
                    context.run(leave_library, None)
                elif (library := getattr(module, "sniffio", None)) is not None:
                    context.run(library.current_async_library_cvar.set, None)
                variables = _eventloop.threadlocals.__dict__
                saved = dict(variables)  # of a call that has been left for this one
                try:
                    with _eventloop.claim_worker_thread(cls, asyncio.get_running_loop()):
                        variables["current_cancel_scope"] = scope if abandon_on_cancel else scope._parent_scope or scope
                        return inline.as_thread(lambda: func(*args), context)
                finally:
                    variables.clear()
                    variables.update(saved)

    backend.run_sync_in_worker_thread = classmethod(run_sync_in_worker_thread)


def _anyio_portals(module: ModuleType) -> None:
    """Let a blocking portal have a loop that runs while the only thread waits."""

    @contextlib.contextmanager
    def start_blocking_portal(backend="asyncio", backend_options=None, *, name=None):
        started = concurrent.futures.Future()

        async def run_portal():
            async with module.BlockingPortal() as portal:
                started.set_result(portal)
                await portal.sleep_until_stopped()

        thread = inline.Background(run_portal())
        try:
            cancel_remaining_tasks = False
            portal = started.result()
            try:
                yield portal
            except BaseException:
                cancel_remaining_tasks = True
                raise
            finally:
                with contextlib.suppress(RuntimeError):  # it has been stopped
                    portal.call(portal.stop, cancel_remaining_tasks)
        finally:
            thread.join()

    start_blocking_portal.__doc__ = module.start_blocking_portal.__doc__
    start_blocking_portal.__module__ = module.__name__
    start_blocking_portal.__qualname__ = start_blocking_portal.__name__
    module.start_blocking_portal = start_blocking_portal
    module.get_ident = inline.identity


def _asgiref_executor(module: ModuleType) -> None:
    """Let the thread that waits for a coroutine run what that submits to it."""

    def submit(self, fn, /, *args, **kwargs):
        future = concurrent.futures.Future()
        inline.as_thread(module._WorkItem(future, fn, *args, **kwargs).run, contextvars.Context())
        return future

    submit.__module__, submit.__qualname__ = module.__name__, "CurrentThreadExecutor.submit"
    module.CurrentThreadExecutor.submit = submit


def _asgiref(module: ModuleType) -> None:
    """Let a context of threads end without a thread that waits for the others."""
    context = module.ThreadSensitiveContext
    leave = context.__aexit__

    async def __aexit__(self, exc, value, tb):
        if self.token and getattr(self, "_executor", None) is None:
            executor = module.SyncToAsync.context_to_thread_executor.pop(self, None)
            if executor is not None:
                executor.shutdown()
        return await leave(self, exc, value, tb)

    __aexit__.__module__, __aexit__.__qualname__ = leave.__module__, leave.__qualname__
    context.__aexit__ = __aexit__


def _ssl(module: ModuleType) -> None:
    """Give asyncio, which is imported before any function, the module that it did without."""
    from asyncio import base_events, selector_events, sslproto

    for user in (base_events, selector_events, sslproto):
        user.ssl = module
    sslproto.SSLAgainErrors = (module.SSLWantReadError, module.SSLSyscallError)


CHANGES = {
    "anyio._backends._asyncio": _anyio,
    "anyio.from_thread": _anyio_portals,
    "asgiref.current_thread_executor": _asgiref_executor,
    "asgiref.sync": _asgiref,
    "multiprocessing.connection": _connection,
    "multiprocessing.managers": _managers,
    "multiprocessing.pool": _pool,
    "multiprocessing.process": _process,
    "ssl": _ssl,
}
