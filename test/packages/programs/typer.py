from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer
from typer.testing import CliRunner

app = typer.Typer(add_completion=False, help="A shop.")
users = typer.Typer(help="Users.")
app.add_typer(users, name="users")


class Color(str, Enum):
    red = "red"
    blue = "blue"


@app.command()
def paint(name: str, times: Annotated[int, typer.Option(min=1, max=3, help="How often.")] = 1, color: Color = Color.red, loud: bool = False):
    """Paint a name."""
    for _ in range(times):
        typer.echo(("%s %s" % (name, color.value)).upper() if loud else "%s %s" % (name, color.value))


@users.command("add")
def add(names: list[str], file: Annotated[Optional[Path], typer.Option("--file", "-f", exists=True)] = None, admin: bool = typer.Option(False, prompt=True)):
    if len(names) > 2:
        typer.secho("too many", fg="red", err=True)
        raise typer.Exit(3)
    typer.echo("%s %s %s" % (names, file, admin))


def main(args, context):
    runner = CliRunner()
    results = []
    for words, text in (
        (["paint", "x", "--times", "2", "--color", "blue", "--loud"], ""), (["paint", "x", "--times", "9"], ""), (["paint"], ""), (["paint", "x", "--color", "green"], ""),
        (["users", "add", "a", "b"], "y\n"), (["users", "add", "a", "b", "c"], "n\n"), (["users", "add", "a", "-f", "/none"], "n\n"), (["paint", "--help"], ""), (["nope"], ""),
    ):  # fmt: skip
        result = runner.invoke(app, words, input=text, env={"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"})
        results.append([result.exit_code, result.output])
    return results
