"""A function: `sh try.sh` deploys it and runs it once.

Code outside of main runs once, when the function is deployed. main runs for every
call, each time in a fresh interpreter.
"""


def main(args, context):
    # args comes from the caller. context comes from FUNCTION.context; callers neither
    # send nor see it.
    print("called with", args)  # goes to the log: fas executions logs ID
    return {"text": "%s, %s!" % (context["greeting"], args.get("name", "world"))}
