"""A name error with a suggestion, in a nested function of a class."""


class Service:
    timeout_seconds = 5

    def run(self):
        def inner():
            return self.timeout_second

        return inner()


def main(args, context):
    return Service().run()
