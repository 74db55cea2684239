# Calls all functions of FaaSpot's last client, of 2017, but for those of its nodes. Prints ok at the end,
# or fails at the first difference.
import contextlib
import functools
import io
import os
import re
import urllib.parse

import yaml

# The one thing that the client needs of its time: yaml.load without a loader.
yaml.load = functools.partial(yaml.load, Loader=yaml.SafeLoader)

from fas.client.exceptions import FaaspotException  # noqa: E402
from fas.commands.profiles import Profiles  # noqa: E402
from faaspot.faaspot import Faaspot  # noqa: E402

server = urllib.parse.urlsplit(os.environ["SERVER"])
Profiles().create(name="test", host=server.hostname, port=server.port, protocol="http", token=os.environ["TOKEN"])
faaspot = Faaspot()
functions, executions = faaspot.functions, faaspot.executions


def waited(call, *args, **kwargs):
    with contextlib.redirect_stdout(io.StringIO()):  # dots while it waits
        return call(*args, wait=True, interval_ms=100, **kwargs)


with open("hello.py", "w") as code:
    code.write('def main(args, context):\n    """100 % of the args\n    """\n    return "%s %s %s" % (args.get("name"), context.get("key"), "é")\n')
with open("context", "w") as context:
    context.write('key = "a b%20c"\n')
with open("broken.py", "w") as broken:
    broken.write("x = 1\n")

said = functions.create("hello.py", "hello.py", "context")
assert re.fullmatch("Execution id: [0-9a-f-]{36}", said), said
waited(functions.create, "other.py", open("hello.py"))
assert sorted(f["name"] for f in functions.list()) == ["hello.py", "other.py", "work"], functions.list()
assert functions.get("hello.py")["code"] == open("hello.py").read()
assert functions.run("hello.py", {"name": "you"}, wait=True) == "you a b%20c é"
assert functions.run("hello.py", [["name=you"]], wait=True) == "you a b%20c é"
uuid = functions.run("hello.py", {"name": "you"})
assert len(uuid) == 36
assert waited(executions.get, uuid) == "you a b%20c é"
one = executions.get(uuid)
assert one["uuid"] == uuid and one["status"] == "Success" and one["name"] == "hello.py", one
many = functions.run_bulk("hello.py", [{"name": "a"}, {"name": "b"}])
for each in many:
    waited(executions.get, each)
assert [x["output"] for x in executions.get_bulk(many)] == ["a a b%20c é", "b a b%20c é"]
older = functions._bulk_run("hello.py", [{"name": "c"}])  # the body of earlier releases
assert waited(executions.get, older[0]) == "c a b%20c é"
slow = functions.run("work", {"seconds": 60})
assert slow in [x["uuid"] for x in executions.list()]
executions.cancel(slow)
waited(executions.get, slow)
assert executions.get(slow)["status"] == "Cancelled"
listed = executions.list(include_completed=True, deployment="hello.py")
assert uuid in [x["uuid"] for x in listed] and {x["name"] for x in listed} == {"hello.py"}, listed
functions.update("hello.py", new_name="renamed.py")
assert functions.run("renamed.py", {"name": "still"}, wait=True) == "still a b%20c é"
with open("context", "w") as context:
    context.write('key = "new"\n')
waited(executions.get, functions.update("renamed.py", context_file="context"))
assert functions.run("renamed.py", {"name": "still"}, wait=True) == "still new é"

for call, status in [
    (lambda: functions.create("broken.py", "broken.py"), 400),
    (lambda: functions.run("none.py", wait=True), 404),
    (lambda: functions.run("work", {"fail": "1"}, wait=True), 500),
    (lambda: executions.get("none"), 404),
]:
    try:
        call()
        raise AssertionError("no error")
    except FaaspotException as error:
        # The text of the exception is for Python 2 alone.
        assert error.status_code == status and error.error_code and len(error.args[0]) > 10, (error.status_code, error.args)
functions.delete("renamed.py")
functions.delete("other.py")
assert [f["name"] for f in functions.list()] == ["work"]
print("ok")
