from bs4 import BeautifulSoup


def main(args, context):
    soup = BeautifulSoup("<html><body><p class='a b'>One <b>two</b></p><a href='/x'>X</a><a>no</a><ul><li>1<li>2</ul>&eacute;</body>", "html.parser")
    soup.p.b.replace_with("three")
    soup.a["href"] = "/y"
    return [soup.p.get_text(), soup.select_one("p.b")["class"], [a.get("href") for a in soup.find_all("a")], [li.get_text() for li in soup.select("ul > li")], str(soup), soup.prettify()]
