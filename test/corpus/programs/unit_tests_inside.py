"""Runs unittest, mock and doctest inside of a function and reports the results."""
import doctest
import io
import unittest
from unittest import mock


def price(quantity, rate=1.5):
    """Multiply.

    >>> price(2)
    3.0
    >>> price("a")
    Traceback (most recent call last):
        ...
    TypeError: can't multiply sequence by non-int of type 'float'
    >>> price(1, 1)
    2
    """
    return quantity * rate


class Cases(unittest.TestCase):
    def setUp(self):
        self.addCleanup(lambda: None)

    def test_equal(self):
        self.assertEqual(price(2), 3.0)

    def test_differs(self):
        self.assertEqual({"a": [1, 2], "b": "x"}, {"a": [1, 3], "b": "x"})

    def test_raises(self):
        with self.assertRaisesRegex(TypeError, "multiply"), self.subTest("inner"):
            price("a")

    @unittest.skip("later")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.assertAlmostEqual(1.0, 1.1)

    def test_subtests(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertNotEqual(n, 1)

    def test_error(self):
        {}["missing"]


def main(args, context):
    stream = io.StringIO()
    result = unittest.TextTestRunner(stream, verbosity=0).run(unittest.defaultTestLoader.loadTestsFromTestCase(Cases))
    api = mock.Mock(spec=["get", "post"])
    api.get.side_effect = [1, ValueError("second")]
    calls = [api.get("/a", x=1)]
    for action in (lambda: api.get(), lambda: api.put(), lambda: api.get.assert_called_once()):
        try:
            action()
        except Exception as error:
            calls.append([type(error).__name__, str(error)])
    with mock.patch(f"{__name__}.price", return_value=7) as fake, mock.patch.dict("os.environ", {"A": "1"}):
        calls.append([price(5), fake.call_args_list[0].args, repr(fake.call_args)])
    magic = mock.MagicMock()
    magic.__len__.return_value = 3
    runner = doctest.DocTestRunner(verbose=False)
    out = io.StringIO()
    runner.run(doctest.DocTestFinder().find(price, "price", globs={"price": price})[0], out=out.write)
    return {"run": [result.testsRun, len(result.failures), len(result.errors), len(result.skipped), len(result.expectedFailures), result.wasSuccessful()], "failures": [t.splitlines()[-12:] for _, t in result.failures], "errors": [t.splitlines()[-1] for _, t in result.errors], "calls": calls, "magic": [len(magic), magic[5] is not None, repr(mock.call(1, a=2)), repr(mock.sentinel.x)], "doctest": [runner.tries, runner.failures, out.getvalue()[-120:]]}
