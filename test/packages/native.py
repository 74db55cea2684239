"""Runs a program by native CPython and writes what it returns to stdout: native.py PROGRAM [ARGS]."""

import asyncio
import importlib.util
import json
import sys
import warnings

warnings.simplefilter("ignore")
spec = importlib.util.spec_from_file_location("main", sys.argv[1])
sys.modules["main"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
result = module.main(json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}, {})
if asyncio.iscoroutine(result):
    result = asyncio.run(result)
print(json.dumps(result, indent=1))
