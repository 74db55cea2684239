import asyncio

from tenacity import (
    AsyncRetrying, Retrying, RetryError, before_sleep_log, retry, retry_if_exception_type, retry_if_not_exception_message, retry_if_result, stop_after_attempt,
    stop_after_delay, wait_chain, wait_exponential, wait_fixed, wait_none,
)  # fmt: skip
import logging


class Flaky:
    def __init__(self, failures, error=OSError):
        self.calls, self.failures, self.error = 0, failures, error

    def __call__(self, value="ok"):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error("attempt %d" % self.calls)
        return value


async def asynchronous():
    flaky = Flaky(2)
    async for attempt in AsyncRetrying(stop=stop_after_attempt(5), wait=wait_fixed(0.001)):
        with attempt:
            flaky()
    return flaky.calls


def main(args, context):
    log = []
    handler = logging.Handler()
    handler.emit = lambda record: log.append(record.getMessage().partition(" in ")[2].partition(" as ")[2])
    logger = logging.Logger("t")
    logger.addHandler(handler)
    sleeps = []
    flaky = Flaky(3)
    value = Retrying(sleep=sleeps.append, wait=wait_exponential(multiplier=2, max=10), stop=stop_after_attempt(9), before_sleep=before_sleep_log(logger, 20))(flaky)
    try:
        retry(stop=stop_after_attempt(2), wait=wait_none())(Flaky(9))()
    except RetryError as error:
        failed = [error.last_attempt.attempt_number, str(error.last_attempt.exception())]
    other = retry(retry=retry_if_exception_type(OSError), reraise=True)(Flaky(1, ValueError))
    try:
        other()
    except ValueError as error:
        failed.append(str(error))
    polled = iter([None, None, 5])
    result = retry(retry=retry_if_result(lambda v: v is None), wait=wait_none())(lambda: next(polled))()
    message = retry(retry=retry_if_not_exception_message(match="attempt 2"), stop=stop_after_attempt(5) | stop_after_delay(60), reraise=True)(Flaky(4))
    try:
        message()
    except OSError as error:
        failed.append(str(error))
    chained = []
    Retrying(sleep=chained.append, wait=wait_chain(wait_fixed(1), wait_fixed(5)))(Flaky(3))
    return [value, sleeps, failed, result, log, chained, message.statistics["attempt_number"], asyncio.run(asynchronous())]
