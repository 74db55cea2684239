"""The exceptions of this package.

All are subclasses of FaaspotException. An argument of the wrong type raises TypeError, and one that
no server would accept raises ValueError.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple, Type


class FaaspotException(Exception):
    """A call failed. It prints as "{status} ({reason}): {message}".

    message           what failed and why
    reason            reason phrase of the HTTP status, such as "Not Found"
    server_traceback  traceback of the function's own code, if that failed
    status_code       HTTP status; None if there was no answer
    error_code        identifier for programs, such as "not_found"; docs/http-api.md lists them
    hint              what to do
    line              line of the code, context or request body that is wrong, from 1
    error_type        type of the exception that the function raised
    execution_id      id of the execution, if one was created
    error_id          id by which the server's log records the cause
    retry_after       seconds after which the server asks to retry

    Every attribute but message is None if it is not known. From Python 3.11 on, tracebacks also show
    server_traceback, hint and error_id.
    """

    def __init__(
        self,
        message: str,
        reason: Optional[str] = None,
        server_traceback: Optional[str] = None,
        status_code: Optional[int] = None,
        error_code: Optional[str] = None,
        *,
        hint: Optional[str] = None,
        line: Optional[int] = None,
        error_type: Optional[str] = None,
        execution_id: Optional[str] = None,
        error_id: Optional[str] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message, reason, server_traceback, status_code, error_code)
        self.message = message
        self.reason = reason
        self.server_traceback = server_traceback
        self.status_code = status_code
        self.error_code = error_code
        self.hint = hint
        self.line = line
        self.error_type = error_type
        self.execution_id = execution_id
        self.error_id = error_id
        self.retry_after = retry_after
        notes: List[str] = []
        if server_traceback:
            notes.append(_printable(server_traceback.rstrip("\n")))
        if hint:
            notes.append("hint: " + hint)
        if error_id:
            notes.append("error id: " + error_id)
        if notes:
            # The attribute that add_note of Python 3.11 sets; earlier versions ignore it.
            self.__notes__ = notes

    def __str__(self) -> str:
        message = _printable(self.message)
        if self.status_code is None:
            return message
        return "{} ({}): {}".format(self.status_code, self.reason, message)

    def __reduce__(self) -> Tuple[Any, ...]:
        # Processes exchange exceptions by pickle, and the constructors of the subclasses differ.
        return _restore, (type(self), self.args, self.__dict__.copy())


def _printable(text: str) -> str:
    """Return a text without the control characters by which a function could change a terminal."""
    return "".join(c if c in "\n\t" or not _is_control(c) else "\ufffd" for c in text)


def _is_control(c: str) -> bool:
    return c < " " or "\x7f" <= c <= "\x9f"


def _restore(kind: Type[FaaspotException], args: Tuple[Any, ...], state: Dict[str, Any]) -> FaaspotException:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InvalidRequest(FaaspotException):
    """The server rejects the request as not valid (400 and other 4xx)."""


class DeployFailed(InvalidRequest):
    """The code cannot be deployed; line and server_traceback say why (400)."""


class RunFailed(FaaspotException):
    """A run ended without a result: the function raised, exceeded a limit or was cancelled.
    error_code says which."""


class Unauthenticated(FaaspotException):
    """There is no token, or the server rejects it (401, 403)."""


class NotFound(FaaspotException):
    """There is no such function, execution, job, dead letter or profile (404)."""


class Conflict(FaaspotException):
    """The request contradicts an earlier one, such as an idempotency key that was used for another
    request (409)."""


class AlreadyExists(Conflict):
    """There is a function, job or profile of that name (409)."""


class TooLarge(FaaspotException):
    """The code, the context, the parameters or their number exceed a limit (413)."""


class TooBusy(FaaspotException):
    """Too many requests wait on the server, even after all attempts (429)."""


class Unavailable(FaaspotException):
    """The server is starting, stopping or out of a resource, or a proxy cannot reach it, even after
    all attempts (502, 503, 504)."""


class ServerError(FaaspotException):
    """The server failed internally (500). Its log records the cause by error_id."""


class NoAnswer(FaaspotException):
    """The server was not reached, or the connection was lost.

    sent       whether the server may have received the request; if so, it is not known whether the
               request took effect
    timed_out  whether the client gave up because the server was silent for too long
    """

    def __init__(
        self, message: str, *, hint: Optional[str] = None, sent: bool = False, timed_out: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent
        self.timed_out = timed_out


class ForeignAnswer(FaaspotException):
    """The answer is not from a faaspot server: another program listens there, or a proxy in between
    answered."""


class WaitTimeout(FaaspotException):
    """The execution was not done within the timeout. It continues.

    execution  the execution as the server last returned it; None for a blocking run, about which
               the server returns nothing before its end
    """

    def __init__(
        self,
        message: str,
        *,
        hint: Optional[str] = None,
        execution_id: Optional[str] = None,
        execution: Optional[Any] = None,
    ) -> None:
        super().__init__(message, hint=hint, execution_id=execution_id)
        self.execution = execution


class ProfileError(FaaspotException):
    """The profile file cannot be read or changed, or a profile in it is not usable."""


_BY_CODE: Dict[str, Type[FaaspotException]] = {
    "invalid_argument": InvalidRequest,
    "deploy_failed": DeployFailed,
    "rejected": RunFailed,
    "unauthenticated": Unauthenticated,
    "not_found": NotFound,
    "already_exists": AlreadyExists,
    "conflict": Conflict,
    "precondition_failed": Conflict,
    "too_large": TooLarge,
    "too_busy": TooBusy,
    "unavailable": Unavailable,
    "function_error": RunFailed,
    "memory": RunFailed,
    "stack": RunFailed,
    "exited": RunFailed,
    "crashed": RunFailed,
    "result_invalid": RunFailed,
    "result_too_large": RunFailed,
    "cancelled": RunFailed,
    "timeout": RunFailed,
    "internal": ServerError,
}

_BY_STATUS: Dict[int, Type[FaaspotException]] = {
    401: Unauthenticated,
    403: Unauthenticated,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: TooBusy,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def error_class(status: Optional[int], code: Optional[str]) -> Type[FaaspotException]:
    """The exception class for an error of the server, by its error code or else its status."""
    kind = _BY_CODE.get(code or "")
    if kind is None and status is not None:
        kind = _BY_STATUS.get(status)
        if kind is None and 400 <= status < 500:
            kind = InvalidRequest
        elif kind is None and status >= 500:
            kind = ServerError
    return kind or FaaspotException


def from_fields(
    fields: Mapping[str, Any],
    *,
    status: Optional[int] = None,
    reason: Optional[str] = None,
    retry_after: Optional[float] = None,
    execution_id: Optional[str] = None,
    hint: Optional[str] = None,
) -> FaaspotException:
    """The exception for an error object of the API: the body of an error answer, or the member error
    of an execution."""
    message = _text(fields, "message") or _text(fields, "detail") or "there is no message"
    # The API for jobs calls it error, and that for searches has only the status.
    code = _text(fields, "error_code") or _text(fields, "error")
    line = fields.get("line")
    return error_class(status, code)(
        message,
        reason,
        _text(fields, "server_traceback"),
        status,
        code,
        hint=_text(fields, "hint") or hint,
        line=line if isinstance(line, int) and line > 0 else None,
        error_type=_text(fields, "error_type"),
        execution_id=_text(fields, "execution_id") or execution_id,
        error_id=_text(fields, "error_id") or _text(fields, "errorInstanceId"),
        retry_after=retry_after,
    )


def _text(fields: Mapping[str, Any], name: str) -> Optional[str]:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None
