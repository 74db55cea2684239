import io

from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table
from rich.tree import Tree


def main(args, context):
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=True, color_system="truecolor", legacy_windows=False)
    table = Table(title="Sales")
    table.add_column("month")
    table.add_column("sum", justify="right", style="red")
    table.add_row("Jan", "10")
    tree = Tree("root")
    tree.add("[bold]leaf[/bold]").add("日本")
    for thing in (table, tree, Markdown("# Title\n* a\n* `b`"), Syntax("def f(): return 1", "python")):
        console.print(thing)
    return out.getvalue()
