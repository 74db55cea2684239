"""A function: `sh try.sh` deploys it and runs it once.

What is outside of main runs once, when the function is deployed. main runs for
every call, each time in an interpreter of its own.
"""


def main(args, context):
    # args: what the caller sends. context: what FUNCTION.context says, which
    # callers do not send and are not shown.
    print("called with", args)  # into the log: fas executions logs ID
    return {"text": "%s, %s!" % (context["greeting"], args.get("name", "world"))}
