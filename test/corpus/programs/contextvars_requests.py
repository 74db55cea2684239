"""Context variables in functions, copied contexts, tasks, generators and threads of control."""
import asyncio
import contextlib
import contextvars
import decimal

user = contextvars.ContextVar("user", default="anonymous")
trace = contextvars.ContextVar("trace")


@contextlib.contextmanager
def acting_as(name):
    token = user.set(name)
    try:
        yield token
    finally:
        user.reset(token)


def numbers():
    user.set("generator")
    yield user.get()


async def handler(name, log):
    user.set(name)
    await asyncio.sleep(0)
    log.append(user.get())
    with decimal.localcontext(prec=len(name)):
        await asyncio.sleep(0)
        return str(decimal.Decimal(1) / 3)


async def run(log):
    user.set("main")
    context = contextvars.copy_context()
    context.run(user.set, "custom")
    results = await asyncio.gather(handler("a", log), handler("bbbb", log))
    results.append(await asyncio.create_task(handler("cc", log), context=context))
    asyncio.get_running_loop().call_soon(lambda: log.append("soon " + user.get()), context=context)
    await asyncio.sleep(0)
    return results + [user.get(), context[user]]


def main(args, context):
    log, out = [], {}
    with acting_as("ada") as token:
        out["inside"] = [user.get(), token.old_value is contextvars.Token.MISSING, token.var is user]
        snapshot = contextvars.copy_context()
    out["outside"] = [user.get(), snapshot[user], snapshot.run(user.get), len(snapshot) >= 1, trace in snapshot]
    try:
        user.reset(token)
    except RuntimeError as error:
        out["twice"] = str(error)[:38]
    try:
        trace.get()
    except LookupError as error:
        out["unset"] = [type(error).__name__, error.args[0] is trace, trace.get("given")]
    try:
        snapshot.run(snapshot.run, len, "")
    except RuntimeError as error:
        out["entered"] = str(error)[:36]
    try:
        contextvars.copy_context().run(user.reset, user.set("x"))
    except ValueError as error:
        out["other"] = "was created in a different Context" in str(error)
    out["generator"] = [list(numbers()), user.get()]
    out["async"] = asyncio.run(run(log))
    out["log"] = log
    out["after"] = user.get()
    return out
