"""Calls main(args) of a file COUNT times by pyeryx, each time in a fresh interpreter.

    pyeryx_calls.py FILE ARGS COUNT

The fastest way that its documentation has is execute() of one Sandbox: each call gets an instance of its own of the component with the
started interpreter, and a thread in the background prepares the next one. Prints the last result, the seconds of each call, and those of the
processor for all calls.
"""

import importlib.metadata
import json
import sys
import time

import eryx


def main(file, args, count):
    with open(file) as f:
        code = f.read().replace('if __name__ == "__main__":', "if False:") + f"\nimport json\nresult = main(json.loads({args!r}), {{}})\n"
    sandbox = eryx.Sandbox()

    def call():
        start = time.perf_counter()
        done = sandbox.execute(code)
        took = time.perf_counter() - start
        if done.result_error:
            raise RuntimeError(done.result_error)
        return took, done.result

    call()  # loads the component
    cpu = time.process_time()
    calls = [call() for _ in range(count)]
    cpu = time.process_time() - cpu
    version = importlib.metadata.version("pyeryx")
    print(json.dumps({"version": version, "result": calls[-1][1], "seconds": [took for took, _ in calls], "cpu": cpu}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
