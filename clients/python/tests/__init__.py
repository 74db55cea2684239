"""Tests of the client: `python3 -m unittest` in the folder above.

Most talk to a real server, which is built from this repository, or to the binary
that FAS_BINARY names; the others to one that misbehaves on purpose.
"""
