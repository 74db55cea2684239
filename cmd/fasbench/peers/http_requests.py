"""Requests over HTTP or HTTPS, each with a new connection: the seconds that each took, the processor's
seconds of all, and all bytes.

As a function, or as a program with the args as JSON.
"""

import json
import ssl
import sys
import time
import urllib.request

PART = 1 << 16  # bytes that are read at once


def main(args, context):
    handlers = [urllib.request.ProxyHandler({})]
    if "authority" in args:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=args["authority"])))
    opener = urllib.request.build_opener(*handlers)
    seconds, size, cpu = [], 0, time.process_time()
    for _ in range(args["requests"]):
        began = time.perf_counter()
        with opener.open(args["url"]) as response:
            while part := response.read(PART):
                size += len(part)
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds, "cpu": time.process_time() - cpu, "bytes": size}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]), {})))
