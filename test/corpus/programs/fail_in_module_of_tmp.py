"""Fails in a module that it writes to /tmp and imports."""
import importlib, sys
def main(args, context):
    open("/tmp/helper_mod.py", "w").write("def go(n):\n    # comment\n    return [1, 2, 3][n:n + 1][n]\n")
    sys.path.insert(0, "/tmp")
    import helper_mod
    return helper_mod.go(7)
