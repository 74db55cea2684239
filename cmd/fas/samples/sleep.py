# Sleeps, and writes to its log once per second.
#
#   fas functions apply sleep --file sleep.py
#   UUID=$(fas functions run sleep -p seconds=10)
#   fas executions logs $UUID -f

import time


def main(args, context):
    seconds = float(args.get("seconds", 3))
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        print("%.0f s left" % left, flush=True)
        time.sleep(min(left, 1))
    return "slept for %g s" % seconds
