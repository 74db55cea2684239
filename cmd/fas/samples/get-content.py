# Returns the content of a URL.
#
# The allow list of the function names the hosts that it may reach. A URL that contains
# its content (RFC 2397) needs none.
#
#   fas functions apply get-content --file get-content.py --allow example.com:443
#   fas functions run get-content --args '{"url": "https://example.com/"}' --wait

from urllib.request import urlopen

DEFAULT = "data:text/plain;charset=utf-8,This%20text%20is%20in%20its%20URL."


def main(args, context):
    with urlopen(args.get("url", DEFAULT)) as response:
        charset = response.headers.get_content_charset() or "utf-8"
        return response.read().decode(charset)
