"""Works with a server as a language model does: the client of the Model Context Protocol and `fas mcp`."""

import asyncio
import json
import os
import urllib.request

from mcp import Client, StdioServerParameters

SERVER, TOKEN, FAS = os.environ["SERVER"], os.environ["TOKEN"], os.environ["FAS"]

GREET = """\
def main(args, context):
    print("greeting", args["name"])
    return {"text": context["greeting"] + " " + args["name"], "big": args.get("big")}
"""

READING = {
    "list_functions", "get_function", "list_executions", "search_executions", "get_execution", "read_logs", "list_jobs",
    "get_job_execution",
}
WRITING = {"deploy_function", "delete_function", "run_function", "cancel_execution", "run_job"}


def agent(token=TOKEN, *flags):
    env = {"FAASPOT_URL": SERVER, "FAASPOT_TOKEN": token, "HOME": os.environ["HOME"], "NO_PROXY": "127.0.0.1"}
    return Client(StdioServerParameters(command=FAS, args=["mcp", *flags], env=env))


def request(method, path, body):
    made = urllib.request.Request(
        SERVER + path, json.dumps(body).encode(), {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(made) as answer:
        return json.load(answer)


async def call(client, name, /, **arguments):
    result = await client.call_tool(name, arguments)
    text = result.content[0].text
    assert not result.is_error, text
    return text


async def refused(client, name, /, **arguments):
    result = await client.call_tool(name, arguments)
    assert result.is_error, result
    return result.content[0].text


async def whole():
    async with agent() as c:
        assert "main(args, context)" in c.instructions
        tools = {tool.name: tool for tool in (await c.list_tools()).tools}
        assert tools.keys() == READING | WRITING, tools.keys()
        assert all(tools[name].annotations.read_only_hint for name in READING)
        assert not any(tools[name].annotations.read_only_hint for name in WRITING)
        assert tools["deploy_function"].annotations.destructive_hint

        deployed = json.loads(await call(c, "deploy_function", name="greet", code=GREET, context='greeting = "sesame"'))
        assert (deployed["kind"], deployed["status"]) == ("create", "Success"), deployed
        big = 2**63 + 1
        ran = json.loads(await call(c, "run_function", name="greet", args={"name": "Ada <&>", "big": big}))
        assert ran["execution"]["output"] == {"text": "sesame Ada <&>", "big": big}, ran
        assert ran["logs"] == "greeting Ada <&>\n", ran
        got = json.loads(await call(c, "get_function", name="greet"))
        assert got["context_keys"] == ["greeting"] and "sesame" not in json.dumps(got), got
        assert [f["name"] for f in json.loads(await call(c, "list_functions"))] == ["greet", "work"]

        # What fails says why, so that a model can mend it.
        text = await refused(c, "deploy_function", name="greet", code="def main(args, context):\n    return 1 +\n")
        assert "deploy_failed" in text and "line: 2" in text, text
        failed = json.loads(await call(c, "run_function", name="greet"))
        assert failed["execution"]["status"] == "Failed" and "KeyError" in failed["execution"]["error"]["message"], failed
        assert "there is no function" in await refused(c, "run_function", name="absent")
        assert "not valid" in await refused(c, "run_function", nam="greet")
        assert "not valid" in await refused(c, "run_function", name="greet", args=[1])
        assert "no status" in await refused(c, "list_executions", status=["fine"])

        id = ran["execution"]["uuid"]
        assert await call(c, "read_logs", id=id) == "greeting Ada <&>\n"
        assert await call(c, "read_logs", id=id, stream="stderr") == ""
        listed = json.loads(await call(c, "list_executions", function="greet", status=["failed"]))
        assert [x["status"] for x in listed["items"]] == ["Failed", "Failed"] and not listed["more"], listed
        assert json.loads(await call(c, "list_executions", done=True, limit=1))["more"]
        found = json.loads(await call(c, "search_executions", function="greet", where="status = failed"))
        assert [x["executionId"] for x in found["items"]] == [failed["execution"]["uuid"]], found

        # A run that takes longer than the wait goes on, and can be cancelled.
        slow = json.loads(await call(c, "run_function", name="work", args={"seconds": 60}, timeout_seconds=0.2))
        assert "get_execution" in slow["note"], slow
        cancelled = json.loads(await call(c, "cancel_execution", id=slow["execution"]["uuid"]))
        assert cancelled["status"] == "Cancelled" or cancelled["cancel_requested"], cancelled

        # Long logs are cut in the middle.
        await call(c, "deploy_function", name="chatty", code="def main(args, context):\n    print('x' * 300_000 + 'end')\n")
        logs = json.loads(await call(c, "run_function", name="chatty"))["logs"]
        assert len(logs) < 70_000 and "are left out" in logs and logs.endswith("end\n"), len(logs)

        request("POST", "/v0/jobs", {"metadata": {"name": "nightly"}, "spec": {"function": "greet"}})
        assert [j["metadata"]["name"] for j in json.loads(await call(c, "list_jobs"))] == ["nightly"]
        started = json.loads(await call(c, "run_job", job="nightly", tasks=[{"name": "a"}, {"name": "b"}]))
        while True:
            x = json.loads(await call(c, "get_job_execution", job="nightly", id=started["id"]))
            if x["status"] not in ("queued", "pending", "running"):
                break
        assert x["status"] == "succeeded" and x["stats"]["success"] == 2, x

        # Calls at the same time.
        runs = [call(c, "run_function", name="greet", args={"name": str(n)}) for n in range(20)]
        texts = [json.loads(text)["execution"]["output"]["text"] for text in await asyncio.gather(*runs)]
        assert texts == ["sesame %d" % n for n in range(20)], texts
        json.loads(await call(c, "delete_function", name="chatty"))


async def permissions():
    """The token decides what the tools may do."""
    async with agent(TOKEN, "--read-only") as c:
        assert {tool.name for tool in (await c.list_tools()).tools} == READING
        try:
            await c.call_tool("run_function", {"name": "greet"})
        except Exception as err:
            assert "run_function" in str(err), err
        else:
            raise AssertionError("a tool runs code that is not there")
    token = request("POST", "/v1/tokens", {"name": "reader", "scope": "read"})["token"]
    async with agent(token) as c:
        assert "greet" in await call(c, "list_functions")
        for name, arguments in (
            ("deploy_function", {"name": "greet", "code": GREET}), ("delete_function", {"name": "greet"}),
            ("run_function", {"name": "greet"}), ("run_job", {"job": "nightly"}),
        ):
            assert "permission" in await refused(c, name, **arguments), name


asyncio.run(whole())
asyncio.run(permissions())
print("ok")
