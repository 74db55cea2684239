"""What can go wrong, as exceptions.

Everything that this package raises by itself is a FaaspotException. Arguments
of a wrong type, or such as no server would take, are a TypeError or ValueError
as everywhere in Python.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple, Type


class FaaspotException(Exception):
    """Something did not work. It prints as "{status} ({reason}): {message}".

    message           what went wrong and why
    reason            the words that belong to the status, such as "Not Found"
    server_traceback  traceback of the function's own code, if that failed
    status_code       status of HTTP; None if there was no answer
    error_code        one word for programs, such as "not_found"; the API
                      documentation lists them
    hint              what to do about it
    line              line of the code, context or body to blame, from 1
    error_type        type of the exception that the function raised
    execution_id      the execution that it is about, if one began
    error_id          under which the server's log has the cause
    retry_after       seconds after which the server asks to try again

    What is not known is None. Tracebacks show hint and server_traceback, too,
    from Python 3.11 on.
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
            notes.append(server_traceback.rstrip("\n"))
        if hint:
            notes.append("hint: " + hint)
        if error_id:
            notes.append("error id: " + error_id)
        if notes:
            # What add_note of Python 3.11 fills; of no effect before.
            self.__notes__ = notes

    def __str__(self) -> str:
        if self.status_code is None:
            return self.message
        return "{} ({}): {}".format(self.status_code, self.reason, self.message)

    def __reduce__(self) -> Tuple[Any, ...]:
        # Subclasses differ in what they are made of; programs with several
        # processes send exceptions from one to another.
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(kind: Type[FaaspotException], args: Tuple[Any, ...], state: Dict[str, Any]) -> FaaspotException:
    made = kind.__new__(kind, *args)
    made.__dict__.update(state)
    return made


class InvalidRequest(FaaspotException):
    """The server does not take the request as it stands (400 and the like)."""


class DeployFailed(InvalidRequest):
    """The code does not deploy: see line and server_traceback."""


class RunFailed(FaaspotException):
    """The function ran and did not come to a result: it raised, met a limit or
    was stopped. error_code says which."""


class Unauthenticated(FaaspotException):
    """There is no token, or the server does not accept it (401, 403)."""


class NotFound(FaaspotException):
    """There is no such function, execution or profile (404)."""


class Conflict(FaaspotException):
    """It contradicts what was done before, such as an idempotency key that was
    used for another request (409)."""


class AlreadyExists(Conflict):
    """The name is taken (409)."""


class TooLarge(FaaspotException):
    """The code, the context, the parameters or their number are over a limit
    (413)."""


class TooBusy(FaaspotException):
    """Too much is waiting on the server, also after all attempts (429)."""


class Unavailable(FaaspotException):
    """The server is starting, stopping or out of a resource, or a proxy does not
    reach it, also after all attempts (502, 503, 504)."""


class ServerError(FaaspotException):
    """Something went wrong inside the server (500); its log has the cause under
    error_id."""


class NoAnswer(FaaspotException):
    """The server was not reached, or the connection was lost.

    sent       whether the server may have got the request; if so it is not
               known whether what was asked has happened
    timed_out  whether it was given up because nothing came for too long
    """

    def __init__(
        self, message: str, *, hint: Optional[str] = None, sent: bool = False, timed_out: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent
        self.timed_out = timed_out


class ForeignAnswer(FaaspotException):
    """The answer is not one of a faaspot server: something else listens there,
    or stands between."""


class WaitTimeout(FaaspotException):
    """The time to wait is over; what was waited for goes on.

    execution   the execution as it was when it was last looked at; None after a
                blocking run, which tells nothing before its end
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
    """The profile file cannot be used as it is, or a profile in it."""


_BY_CODE: Dict[str, Type[FaaspotException]] = {
    "invalid_argument": InvalidRequest,
    "deploy_failed": DeployFailed,
    "rejected": RunFailed,
    "unauthenticated": Unauthenticated,
    "not_found": NotFound,
    "already_exists": AlreadyExists,
    "conflict": Conflict,
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


def kind_of(status: Optional[int], code: Optional[str]) -> Type[FaaspotException]:
    """The exception for an error of the server, by its word or else its status."""
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
    """Make the exception for an error object as the API writes it: the body of
    a refusal, or the member error of an execution."""
    message = _text(fields, "message") or _text(fields, "detail") or "there is no message"
    code = _text(fields, "error_code")
    line = fields.get("line")
    return kind_of(status, code)(
        message,
        reason,
        _text(fields, "server_traceback"),
        status,
        code,
        hint=_text(fields, "hint") or hint,
        line=line if isinstance(line, int) and line > 0 else None,
        error_type=_text(fields, "error_type"),
        execution_id=_text(fields, "execution_id") or execution_id,
        error_id=_text(fields, "error_id"),
        retry_after=retry_after,
    )


def _text(fields: Mapping[str, Any], name: str) -> Optional[str]:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None
