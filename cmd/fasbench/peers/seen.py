"""Returns how many calls its interpreter has seen: 1 if each call has a fresh one."""

import sys


def main(args, context):
    sys.seen = getattr(sys, "seen", 0) + 1
    return sys.seen
