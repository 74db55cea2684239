"""Fails in code that it compiles under a name of its own."""
def main(args, context):
    code = compile("\n\nraise ValueError('in template')", "<template>", "exec")
    exec(code)
