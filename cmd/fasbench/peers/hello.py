def main(args, context):
    return {"output": "Hello %s" % args["name"]}
