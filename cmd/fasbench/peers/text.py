LINE = "The quick brown fox jumps over the lazy dog."
TEXT = " ".join([LINE] * 24_000)
LINES = "\n".join([LINE] * 24_000)


def main(args, context):
    return {"output": (LINES if args.get("lines") else TEXT)[: args["size"]]}
