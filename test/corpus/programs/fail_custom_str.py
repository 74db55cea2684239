"""An exception class with its own text, arguments and attributes."""


class ApiError(RuntimeError):
    def __init__(self, status, body):
        super().__init__(status, body)
        self.status = status

    def __str__(self):
        return f"HTTP {self.status}: {self.args[1]}"


class Client:
    class NotFound(ApiError):
        pass

    def get(self, path):
        raise self.NotFound(404, {"path": path, "ünïcode": "✓"})


def main(args, context):
    return Client().get("/items/7")
