from _faas_boot import values


def fails(value, part):
    try:
        values.encode(value)
    except values.InvalidResult as error:
        assert part in str(error), str(error)
    else:
        raise AssertionError("encoded %r" % (value,))


def test_decode_gives_what_encode_took():
    for value in (None, True, 0, -1, 2**80, 1.5, "", "é😀\0\"\\", [], {}, [[{"a": [1]}]], {"": ""}):
        assert values.decode(values.encode(value)) == value


def test_encoding_is_compact_utf8():
    assert values.encode({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()


def test_place_is_named():
    fails({"a": [0, {"b": object()}]}, "$.a[1].b is of type object")
    fails([float("inf")], "$[0] is inf")
    fails(["\ud800"], "$[0] is a string with a lone surrogate")
    fails({"x" * 1000: object()}, "$." + "x" * 64 + " is of type object")


def test_hostile_subclass_is_told_in_general():
    class D(dict):
        def items(self):
            raise KeyboardInterrupt

    try:
        values.encode({"a": D(b=object())})
    except (values.InvalidResult, KeyboardInterrupt):
        pass
    else:
        raise AssertionError


def test_size_is_bounded():
    values.encode("x" * (values.MAX_RESULT - 2))
    try:
        values.encode("x" * (values.MAX_RESULT - 1))
    except values.ResultTooLarge as error:
        assert str(values.MAX_RESULT) in str(error)
    else:
        raise AssertionError


def test_text_is_encoded_whatever_it_holds():
    assert values.encode_text({"a": "\ud800é\0"}) == '{"a":"\\ud800é\\u0000"}'.encode()
    assert len(values.encode_text({"": "\udfff" * 1000})) <= 6 * 1000 + 8
