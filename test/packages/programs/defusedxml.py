import xml.etree.ElementTree

from defusedxml import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden, defuse_stdlib
from defusedxml.ElementTree import fromstring, tostring
from defusedxml.minidom import parseString
from defusedxml.sax import parseString as sax
from xml.sax.handler import ContentHandler

BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


class Names(ContentHandler):
    def __init__(self):
        self.names = []

    def startElement(self, name, attributes):
        self.names.append([name, dict(attributes.items())])


def refusal(parse, text, **options):
    try:
        parse(text, **options)
        return "parsed"
    except (DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden) as error:
        return [type(error).__name__, str(error)]


def main(args, context):
    names = Names()
    sax(b'<r><a b="1"/></r>', names)
    defuse_stdlib()
    return [
        refusal(fromstring, BOMB), refusal(fromstring, EXTERNAL), refusal(fromstring, "<!DOCTYPE a><a/>", forbid_dtd=True),
        refusal(parseString, BOMB), refusal(xml.etree.ElementTree.fromstring, BOMB), tostring(fromstring("<a>é<b/></a>")).decode(),
        parseString("<a><b c='1'>t</b></a>").toprettyxml(indent=" "), names.names,
    ]
