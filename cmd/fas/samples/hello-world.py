# Returns a greeting.
#
#   fas functions apply hello --file hello-world.py
#   fas functions run hello -p name=user1 --wait


def main(args, context):
    return "Hello, " + args.get("name", "world") + "!"
