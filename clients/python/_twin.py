"""Writes faaspot/aio.py, the asyncio twin of the client, from the sources of the client: the same classes,
methods and docstrings, of which threads run the calls. Run it after a change of them:

    python3 _twin.py && black -q faaspot/aio.py
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, List, Set, Tuple

_FOLDER = Path(__file__).resolve().parent / "faaspot"

# The classes of the twin by the modules of the originals.
_CLASSES = {
    "functions": "Functions",
    "executions": "Executions",
    "operations": "Operations",
    "jobs": "Jobs",
    "deadletters": "DeadLetters",
    "profiles": "Profiles",
}

_HEAD = '''"""The client for asyncio: AsyncFaaspot has the methods of Faaspot as coroutines.

    from faaspot.aio import AsyncFaaspot

    async with AsyncFaaspot() as f:
        results = await asyncio.gather(*(f.functions.run("hello", {"n": n}, wait=True) for n in range(20)))

Its calls are those of Faaspot, in threads: the same requests, retries and errors. _twin.py writes this
file; change the originals.
"""

from __future__ import annotations

'''

_CLIENT = '''
class AsyncFaaspot:
    """A client for one server, for asyncio. It belongs to the event loop that first uses it.

    concurrency  calls that may be under way at once, at least 1; others wait for their turn. Each takes a
                 thread
    pool_size    maximum number of idle connections kept for later requests; default concurrency

    The other arguments are those of Faaspot. A call whose task is cancelled ends: its connection is closed,
    and it is not sent again. A run that has started then goes on only if it is a background run.
    """

    def __init__(self, profile: Optional[str] = None, *, concurrency: int = 32, pool_size: Optional[int] = None, **options: Any) -> None:
        self._calls = Calls(concurrency)
        self._sync = Faaspot(profile, pool_size=concurrency if pool_size is None else pool_size, **options)
        ATTRIBUTES

    async def close(self) -> None:
        """Close the idle connections. Requests in progress continue, and the client stays usable."""
        self._sync.close()
        self._calls.close()

    async def __aenter__(self) -> AsyncFaaspot:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
'''

_NAMES = {
    "functions": "functions",
    "executions": "executions",
    "operations": "operations",
    "jobs": "jobs",
    "deadletters": "dead_letters",
    "profiles": "profiles",
}


def generate() -> str:
    """The source of faaspot/aio.py, before it is formatted."""
    classes: List[str] = []
    imports: Dict[str, Set[str]] = {"typing": {"Any", "AsyncIterator", "Optional"}}
    for module, name in _CLASSES.items():
        tree = ast.parse((_FOLDER / (module + ".py")).read_text(encoding="utf-8"))
        found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
        twin, used = _twin(found)
        classes.append(twin)
        _find(tree, module, used, imports)
    imports.setdefault(".client", set()).add("Faaspot")
    imports.setdefault(".threads", set()).add("Calls")
    for module, name in _CLASSES.items():
        imports.setdefault("." + module, set()).add(name)
    order = sorted(imports, key=lambda module: (module.startswith("."), module))
    lines = ["from {} import {}".format(module, ", ".join(sorted(imports[module]))) for module in order]
    attributes = "\n        ".join(
        "self.{0} = Async{1}(self._calls, self._sync.{0})".format(_NAMES[module], name)
        for module, name in _CLASSES.items()
    )
    return (
        _HEAD
        + "\n".join(lines)
        + "\n\n"
        + _CLIENT.replace("ATTRIBUTES", attributes)
        + "\n\n"
        + "\n\n".join(classes)
        + "\n"
    )


def _twin(original: ast.ClassDef) -> Tuple[str, Set[str]]:
    """The source of the twin of a class, and the names that its signatures use."""
    used: Set[str] = set()
    doc = ast.get_docstring(original, clean=False) or ""
    out = [
        "class Async{}:".format(original.name),
        '    """{}"""'.format(
            doc.replace("Any thread may use it.", "Its methods are coroutines and asynchronous iterators.")
        ),
        "",
        "    def __init__(self, calls: Calls, sync: {}) -> None:".format(original.name),
        "        self._calls = calls",
        "        self._sync = sync",
    ]
    for method in original.body:
        if not isinstance(method, ast.FunctionDef) or method.name.startswith("_"):
            continue
        overload = any(isinstance(each, ast.Name) and each.id == "overload" for each in method.decorator_list)
        assert overload or not method.decorator_list, method.name
        returns = ast.unparse(method.returns) if method.returns is not None else "None"
        for part in (method.args, method.returns or ast.Constant(None)):
            used.update(node.id for node in ast.walk(part) if isinstance(node, ast.Name))
        how = {"Iterator": "iterate", "Generator": "follow"}.get(returns.split("[")[0], "call")
        out.append("")
        if overload:
            used.add("overload")
            out.append("    @overload")
        if how != "call":
            item = returns[returns.index("[") + 1 : -1].split(",")[0]
            out.append("    def {}({}) -> AsyncIterator[{}]:".format(method.name, ast.unparse(method.args), item))
        else:
            out.append("    async def {}({}) -> {}:".format(method.name, ast.unparse(method.args), returns))
        if overload:
            out.append("        ...")
            continue
        out.append('        """{}"""'.format(ast.get_docstring(method, clean=False) or ""))
        call = ", ".join(["self._sync." + method.name, *_arguments(method.args)])
        out.append("        return {}self._calls.{}({})".format("await " if how == "call" else "", how, call))
    return "\n".join(out), used


def _arguments(args: ast.arguments) -> List[str]:
    """The arguments that pass on what a method got."""
    assert args.vararg is None and args.kwarg is None and not args.posonlyargs
    return [arg.arg for arg in args.args[1:]] + ["{0}={0}".format(arg.arg) for arg in args.kwonlyargs]


def _find(tree: ast.Module, module: str, used: Set[str], imports: Dict[str, Set[str]]) -> None:
    """Add where the names come from that a module uses."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module not in ("__future__", None):
            source = "." * node.level + str(node.module)
            wanted = {each.name for each in node.names} & used - {"Iterator", "Generator"}
            if wanted:
                imports.setdefault(source, set()).update(wanted)
        elif isinstance(node, (ast.Assign, ast.ClassDef)):
            names = {node.name} if isinstance(node, ast.ClassDef) else {ast.unparse(each) for each in node.targets}
            imports.setdefault("." + module, set()).update(names & used)


if __name__ == "__main__":
    (_FOLDER / "aio.py").write_text(generate(), encoding="utf-8")
