"""A function: `sh try.sh` deploys it and runs it once.

Code outside of main runs once, when the function is deployed. main runs for every
call, each time in a fresh interpreter. It may be async.
"""

import faas


def main(args, context):
    # args comes from the caller. context comes from FUNCTION.context; callers neither
    # send nor see it.
    faas.log("called", args=args, attempt=faas.execution.attempt)  # fas executions logs ID
    return {"text": "%s, %s!" % (context["greeting"], args.get("name", "world"))}


@faas.warm_up
def warm_up():
    # Runs once, when the function is deployed. What it imports, compiles and caches is
    # there when a run begins.
    main({"name": "warm-up"}, {"greeting": "Hello"})
