"""Builds, parses, queries and rewrites XML with namespaces, by five of the parsers there are."""
# args: {"xml": "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE o [<!ENTITY co \"Acme &amp; Co\">]>\n<o:orders xmlns:o=\"urn:o\" xmlns=\"urn:d\" date=\"2024-03-05\"><!-- note --><item id=\"1\" qty=\"2\">Widget &lt;&#228;&gt;</item><item id=\"2\"><name>&co;</name><![CDATA[<raw>]]></item><?pi data?></o:orders>"}
import io
import xml.dom.minidom
import xml.etree.ElementTree as ET
import xml.sax
from xml.parsers import expat
from xml.sax.saxutils import XMLGenerator, escape, quoteattr, unescape


class Handler(xml.sax.ContentHandler):
    def __init__(self):
        super().__init__()
        self.events = []

    def startElement(self, name, attrs):
        self.events.append(["<", name, sorted(attrs.items())])

    def characters(self, content):
        self.events.append(["#", content])


def attempt(function):
    try:
        return function()
    except Exception as error:
        return [type(error).__name__, str(error), getattr(error, "code", None), getattr(error, "position", None)]


def main(args, context):
    text = args["xml"]
    root = ET.fromstring(text)
    spaces = {"d": "urn:d"}
    handler = Handler()
    xml.sax.parseString(text.encode(), handler)
    dom = xml.dom.minidom.parseString(text.encode())
    ET.register_namespace("ord", "urn:o")
    tree = ET.ElementTree(ET.Element("a", {"b": "<\"'&\n>"}))
    child = ET.SubElement(tree.getroot(), "c")
    child.text, child.tail = "x & y", "tail"
    ET.indent(tree, "  ")
    buffer = io.BytesIO()
    tree.write(buffer, "iso-8859-1", xml_declaration=True, short_empty_elements=False)
    seen = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, attrs: seen.append([name, attrs, parser.CurrentLineNumber, parser.CurrentColumnNumber])
    parser.Parse(text, True)
    generated = io.StringIO()
    generator = XMLGenerator(generated, "utf-8", short_empty_elements=True)
    generator.startDocument()
    generator.startElement("e", {"k": "v\t\"1\""})
    generator.endElement("e")
    bad = ["<a>", "<a></b>", "<a b=1/>", "", "<a>&x;</a>", "<a/><b/>", "<a>\x01</a>", "<x:a/>", "<a b='1' b='2'/>", "<a>" * 3 + "</a>"]
    pull = ET.XMLPullParser(["start", "end", "comment", "start-ns"])
    pull.feed(text[:150])
    pull.feed(text[150:])
    return {
        "find": [[e.get("id"), e.text, e.tag] for e in root.findall("d:item", spaces)], "xpath": [root.findtext("d:item[@id='2']/d:name", None, spaces), len(root.findall(".//*")), root.find("d:none", spaces) is None, [e.tag for e in root.findall("./d:item[last()]", spaces)]],
        "itertext": "".join(root.itertext()), "string": ET.tostring(root, "unicode"), "canon": ET.canonicalize(text), "sax": handler.events, "dom": [dom.documentElement.tagName, dom.toxml()[-120:], dom.toprettyxml(indent=" ")[:200]],
        "written": buffer.getvalue().decode("latin-1"), "expat": seen, "generated": generated.getvalue(), "bad": {b: attempt(lambda b=b: ET.fromstring(b).tag) for b in bad},
        "events": [[kind, e.tag if hasattr(e, "tag") and isinstance(e.tag, str) else str(e)[:20] if isinstance(e, tuple) else "comment"] for kind, e in pull.read_events()],
        "escape": [escape("<a&b>"), quoteattr("it's \"x\""), unescape("&lt;&amp;&apos;", {"&apos;": "'"})], "encodings": attempt(lambda: ET.fromstring("<?xml version='1.0' encoding='iso-8859-1'?><a>ä</a>".encode("latin-1")).text),
        "bomb": attempt(lambda: ET.fromstring("<!DOCTYPE x [" + "".join(f'<!ENTITY e{i} "{("&e%d;" % (i - 1)) * 20 if i else "x" * 20}">' for i in range(9)) + "]><x>&e8;</x>").text), "version": expat.EXPAT_VERSION.startswith("expat_2."),
    }
