from _faas_boot import program


def checked(source):
    space = {}
    exec(source, space)
    return program._checked(space.get("main"))


def refused(source, part):
    try:
        checked(source)
    except program.Rejected as error:
        assert part in str(error), str(error)
        return error
    raise AssertionError("accepted: " + source)


def test_main_of_the_usual_kind():
    assert checked("def main(args, context): return 1")(1, 2) == 1
    assert checked("main = lambda *a: len(a)")(1, 2) == 2
    assert checked("main = print") is print


def test_refusals_say_why():
    refused("", "no function main")
    refused("main = 5", "type int")
    refused("class main: pass", "class")
    refused("async def main(a, b): yield", "generator")
    refused("def main(a, b): yield", "generator")
    refused("def main(a): pass", "two arguments")
    refused("def main(a, b, *, c): pass", "two arguments")
    assert refused("\n\ndef main(): pass", "main()").line == 3


def test_a_wrapped_main_is_judged_by_what_it_takes():
    refused("import functools\n@functools.wraps(lambda a: 1)\ndef main(a, b): pass", "two arguments")


def test_file_and_lines():
    assert program.filename().startswith("/function/") and program.filename().endswith(".py")
    assert program.is_own(program.filename()) and not program.is_own("/usr/lib/python3.13/json/__init__.py")
    assert program.source_line(1).startswith("from _faas_boot import program")
    assert program.source_line(0) == program.source_line(10**9) == ""
