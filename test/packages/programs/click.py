import click
from click.testing import CliRunner


@click.group()
@click.option("--loud/--quiet", default=False)
@click.pass_context
def cli(ctx, loud):
    """A tool."""
    ctx.obj = loud


@cli.command()
@click.argument("name")
@click.option("-n", "--count", type=click.IntRange(1, 3), default=1, show_default=True, help="how often")
@click.pass_obj
def hello(loud, name, count):
    """Greet NAME."""
    for _ in range(count):
        click.secho("Hello " + (name.upper() if loud else name), fg="green")


def main(args, context):
    run = lambda *a: (lambda r: [r.exit_code, r.output])(CliRunner().invoke(cli, list(a)))
    return [run("--loud", "hello", "you", "-n", "2"), run("hello", "--help"), run("hello", "x", "-n", "9"), run("none")]
