import os
import tempfile

import joblib
from joblib import Memory, Parallel, delayed

calls = []


def square(n):
    calls.append(n)
    return n * n


def main(args, context):
    calls.clear()
    folder = tempfile.mkdtemp()
    memory = Memory(folder, verbose=0)
    cached = memory.cache(square)
    values = [cached(3), cached(3), cached(4)]
    path = os.path.join(folder, "o.pkl.gz")
    joblib.dump({"a": [1, 2], "b": "é"}, path, compress=("gzip", 3))
    return [
        values, list(calls), cached.check_call_in_cache(3), joblib.load(path), joblib.hash([1, {"a": 2}]),
        Parallel(n_jobs=1)(delayed(square)(n) for n in range(4)), Parallel(n_jobs=1, return_as="list")(delayed(pow)(2, n) for n in range(3)),
        sum(Parallel(n_jobs=2, prefer="threads")(delayed(square)(n) for n in range(10))),
    ]
