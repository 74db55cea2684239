import random
import tempfile

import _faas
import _random
import faas
from _faas_boot import renewal


def test_half_a_gauss_is_not_kept():
    random.gauss(0, 1)
    assert random._inst.gauss_next is not None
    renewal.before_image()
    assert random._inst.gauss_next is None


def test_only_what_is_laid_out_as_known_is_renewed():
    state = _random.Random.getstate(random._inst)
    for generator, claimed in (
        (object(), state),
        (random._inst, state[:-1]),
        (random._inst, (state[0] ^ 1, *state[1:])),
        (random._inst, (*state[:-1], state[-1] - 1)),
        (random.Random(), state),
    ):
        try:
            _faas.share(generator, claimed)
        except SystemError:
            pass
        else:
            raise AssertionError


def test_names_of_temporary_files_are_not_kept():
    tempfile.mktemp()
    renewal.before_image()
    assert tempfile._name_sequence is None


def test_hooks_are_called_in_order():
    called = []
    assert faas.register_after_restore(one := lambda: called.append(1)) is one
    faas.register_after_restore(lambda: called.append(2))
    renewal.after_restore()
    renewal.after_restore()
    assert called == [1, 2, 1, 2], called


def test_hooks_must_be_callable():
    try:
        faas.register_after_restore("x")
    except TypeError as error:
        assert "str" in str(error)
    else:
        raise AssertionError
