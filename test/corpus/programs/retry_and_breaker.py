"""Retries with backoff and a circuit breaker around an unreliable service."""
# args: {"outcomes": ["timeout", "500", "ok", "timeout", "timeout", "timeout", "timeout", "ok", "404", "ok"]}
import functools
import random
import time


class ServiceError(Exception):
    retryable = True

    def __init__(self, message, *, status=None):
        super().__init__(message)
        self.status = status


class NotFound(ServiceError):
    retryable = False


class Open(RuntimeError):
    pass


def retry(attempts=3, base=0.001, jitter=None):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            delays = []
            for n in range(1, attempts + 1):
                try:
                    return function(*args, **kwargs), delays
                except ServiceError as error:
                    if not error.retryable or n == attempts:
                        error.add_note(f"attempt {n} of {attempts}, delays {delays}")
                        raise
                    delay = base * 2 ** (n - 1) * (1 + (jitter.random() if jitter else 0))
                    delays.append(round(delay, 6))
                    time.sleep(delay)
        return wrapper
    return decorate


class Breaker:
    def __init__(self, limit):
        self.limit, self.failures, self.opened = limit, 0, 0

    def __enter__(self):
        if self.failures >= self.limit:
            self.failures = 0
            self.opened += 1
            raise Open(f"open after {self.limit} failures")
        return self

    def __exit__(self, kind, error, tb):
        self.failures = self.failures + 1 if kind else 0
        return False


def main(args, context):
    outcomes = iter(args["outcomes"])
    breaker = Breaker(2)

    @retry(jitter=random.Random(3))
    def call(path):
        outcome = next(outcomes, "ok")
        if outcome == "404":
            raise NotFound(path, status=404)
        if outcome != "ok":
            raise ServiceError(outcome, status=int(outcome) if outcome.isdigit() else None) from TimeoutError(outcome)
        return "got " + path

    log = []
    for path in ("/a", "/b", "/c", "/d", "/e", "/f"):
        try:
            with breaker:
                log.append(call(path))
        except Open as error:
            log.append(repr(error))
        except ServiceError as error:
            log.append([type(error).__name__, str(error), error.status, error.__notes__, repr(error.__cause__)])
    return {"log": log, "opened": breaker.opened, "name": call.__name__, "left": list(outcomes)}
