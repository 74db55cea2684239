# Returns the content of a URL.
#
# A function reaches only what its allow list names, a host with a port:
#
#   fas functions apply get-content --file get-content.py --allow example.com:443
#   fas functions run get-content -p url=https://example.com/ --wait
#
# A URL that contains its content (data:, RFC 2397) needs no network.

from urllib.request import urlopen

DEFAULT = "data:text/plain;charset=utf-8,This%20text%20is%20in%20its%20URL."


def main(args, context):
    with urlopen(args.get("url", DEFAULT), timeout=10) as response:
        charset = response.headers.get_content_charset() or "utf-8"
        return response.read().decode(charset)
