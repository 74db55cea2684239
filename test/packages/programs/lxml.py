# needs native code: lxml
from lxml import etree


def main(args, context):
    return etree.tostring(etree.XML("<a/>")).decode()
