import json

from _faas_boot import failure, program


def described(error):
    return json.loads(failure.describe(error))


def raised(f, *args):
    try:
        f(*args)
    except BaseException as error:
        return error


def test_fields():
    f = described(raised(lambda: 1 / 0))
    assert f["class"] == "error" and f["type"] == "ZeroDivisionError" and f["message"] == "division by zero", f
    assert set(f) == {"class", "type", "message", "advises", "traceback", "line", "exit_code"}


def test_memory_error_has_its_class():
    assert described(MemoryError())["class"] == "memory"


def test_exit_codes():
    for code, number, message in ((None, 0, ""), (0, 0, ""), (3, 3, ""), (-1, 255, ""), (256, 0, ""), ("bye", 1, "bye"), (1.5, 1, "1.5")):
        f = described(SystemExit(code))
        assert (f["class"], f["exit_code"], f["message"]) == ("exited", number, message), f
    assert described(SystemExit(True))["exit_code"] == 1


def test_rejected_has_its_line():
    f = described(program.Rejected("no", 7))
    assert (f["class"], f["message"], f["line"]) == ("error", "no", 7), f


def test_everything_is_bounded():
    error = None
    for i in range(100):
        following = ValueError("\U0001f600" * 10**5)
        following.__cause__ = error
        error = following
    text = failure.describe(error)
    assert len(text) < 256 * 1024, len(text)
    assert json.loads(text)["traceback"].count("direct cause") >= 3


def test_long_traceback_keeps_its_ends():
    text = failure._shortened("a" + "x" * 10**6 + "z")
    assert text[0] == "a" and text[-1] == "z" and len(text) < failure.MAX_TRACEBACK + 100


def test_names_of_types():
    assert failure.type_name(ValueError()) == "ValueError"
    assert failure.type_name(json.JSONDecodeError("", "", 0)) == "json.decoder.JSONDecodeError"
    assert failure.type_name(type("Own", (Exception,), {"__module__": program.MODULE})()) == "Own"
    assert failure.type_name(type("X", (Exception,), {"__module__": 5})()) == "Exception"


def test_lines_are_numbers():
    for value in ("x", -1, 2**70, None, True, 1.5):
        assert 0 <= failure._number(value) <= failure.MAX_NUMBER
