# Returns the content of a URL.
#
# Functions have no network, so only a URL that contains its content (RFC 2397) can
# be read; any other one fails with a reason.
#
#   fas functions apply get-content --file get-content.py
#   fas functions run get-content --args '{"url": "data:,Hello%2C%20world!"}' --wait

from urllib.parse import urlsplit
from urllib.request import urlopen

DEFAULT = "data:text/plain;charset=utf-8,This%20text%20is%20in%20its%20URL."


def main(args, context):
    url = args.get("url", DEFAULT)
    if urlsplit(url).scheme != "data":
        raise OSError("functions have no network: %s cannot be reached" % url)
    with urlopen(url) as response:
        charset = response.headers.get_content_charset() or "utf-8"
        return response.read().decode(charset)
