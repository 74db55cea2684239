"""A wrapped failure with a cause, which itself has a context and notes."""


class ConfigError(Exception):
    """The configuration is unusable."""


def parse(text):
    try:
        return int(text)
    except ValueError as error:
        error.add_note("in the setting 'port'")
        raise ConfigError(f"bad number {text!r}") from error


def load(settings):
    try:
        return settings["port"]
    except KeyError:
        return parse(settings["fallback"])


def main(args, context):
    return load({"fallback": "80 80"})
