"""Parses command lines as a tool does: subcommands, types, groups, help and errors."""
import argparse
import contextlib
import getopt
import io
import pathlib
import shlex


class Tool(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(message)


def port(text):
    value = int(text)
    if not 0 < value < 65536:
        raise argparse.ArgumentTypeError(f"{value} is no port")
    return value


def build(kind=Tool):
    parser = kind(prog="tool", description="Deploys things. " * 8, epilog="See the docs.", formatter_class=argparse.ArgumentDefaultsHelpFormatter, fromfile_prefix_chars="@")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="more output")
    parser.add_argument("--version", action="version", version="%(prog)s 1.0")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", aliases=["r"], help="run a function")
    run.add_argument("name", nargs="?", default="main")
    run.add_argument("paths", nargs="*", type=pathlib.PurePosixPath)
    run.add_argument("-p", "--port", type=port, default=8080, metavar="N")
    run.add_argument("--env", action="append", default=[])
    run.add_argument("--mode", choices=["fast", "slow"], default="fast")
    run.add_argument("--cache", action=argparse.BooleanOptionalAction, default=True)
    group = run.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_const", const="json", dest="output")
    group.add_argument("--yaml", action="store_const", const="yaml", dest="output")
    commands.add_parser("list").add_argument("--limit", type=float, required=True)
    return parser


def main(args, context):
    out = {}
    for line in ("run", "run f a b/c -p 90 --env A=1 --env B=2", "-vv r x --mode slow --no-cache --json", "run --port=0", "run -p x", "run --mode medium", "run --json --yaml", "list", "list --limit 1e3", "", "nope", "run --nope", "run -- -x", "run --por 5", "list --limit", "--verb list --limit 1"):
        try:
            out[line] = {k: str(v) for k, v in vars(build().parse_args(shlex.split(line))).items()}
        except (ValueError, SystemExit) as error:
            out[line] = str(error)
    parser = build(argparse.ArgumentParser)
    stderr, stdout = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(stdout):
        codes = []
        for argv in (["--help"], ["--version"], ["run", "-h"], ["bad"]):
            try:
                parser.parse_args(argv)
            except SystemExit as error:
                codes.append(error.code)
    known = build().parse_known_args(["run", "--extra", "1"])
    return {"parsed": out, "help": stdout.getvalue(), "stderr": stderr.getvalue(), "codes": codes, "usage": parser.format_usage(), "known": [known[0].command, known[1]], "getopt": [getopt.gnu_getopt(["-a", "1", "x", "--long=2"], "a:b", ["long=", "flag"]), repr_error(lambda: getopt.getopt(["-z"], "a")), repr_error(lambda: getopt.getopt(["--lo"], "", ["long=", "lobby"]))], "namespace": repr(argparse.Namespace(b=1, a="x"))}


def repr_error(function):
    try:
        return function()
    except getopt.GetoptError as error:
        return [str(error), error.opt]
