"""Tests of the client: run `python3 -m unittest` in the folder above.

Most tests use a real server: the binary that FAS_BINARY names, else one built from this repository.
The others use a fake server that misbehaves on purpose.
"""
