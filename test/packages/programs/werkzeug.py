import io

from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.http import dump_cookie, http_date, parse_accept_header, parse_range_header, quote_etag
from werkzeug.routing import Map, Rule
from werkzeug.security import check_password_hash, generate_password_hash, safe_join
from werkzeug.test import Client, EnvironBuilder
from werkzeug.utils import secure_filename
from werkzeug.wrappers import Request, Response

urls = Map([Rule("/", endpoint="index"), Rule("/u/<int:id>", endpoint="user", methods=["GET"]), Rule("/f/<path:name>", endpoint="file"), Rule("/up", endpoint="upload", methods=["POST"])])


@Request.application
def app(request):
    adapter = urls.bind_to_environ(request.environ)
    try:
        endpoint, values = adapter.match()
    except HTTPException as error:
        return error
    if endpoint == "upload":
        file = request.files["f"]
        return Response("%s %s %d %s" % (secure_filename(file.filename), file.mimetype, len(file.read()), request.form["a"]))
    response = Response("%s %s %s" % (endpoint, values, adapter.build("user", {"id": 7})), headers={"X": "1"})
    response.set_cookie("c", "ü", max_age=60, httponly=True)
    response.set_etag("tag")
    return response.make_conditional(request)


def main(args, context):
    client = Client(app)
    answers = []
    for path, options in (
        ("/", {}), ("/u/5", {}), ("/u/x", {}), ("/f/a/b", {"headers": {"If-None-Match": '"tag"'}}), ("/u/5", {"method": "POST"}),
        ("/up", {"method": "POST", "data": {"a": "é", "f": (io.BytesIO(b"data"), "../x y.txt")}}),
    ):  # fmt: skip
        response = client.open(path, **options)
        answers.append([response.status, response.text, sorted(response.headers.get("Allow", "").split(", ")), (response.headers.get("Set-Cookie") or "").partition(";")[0]])
    request = Request(EnvironBuilder("/s?a=1&a=2&b=ü", json={"k": [1]}, headers={"Accept-Language": "de;q=0.8, en"}).get_environ())
    hashed = generate_password_hash("p", "pbkdf2:sha256:1000")
    scrypt = generate_password_hash("p", "scrypt:1024:8:1")
    return [
        answers, request.args.getlist("a"), request.json, request.accept_languages.best_match(["de", "en"]), [check_password_hash(h, p) for h in (hashed, scrypt) for p in "pq"],
        safe_join("/base", "../x"), dump_cookie("k", "v; w", path="/p", samesite="Lax"), http_date(0), parse_range_header("bytes=1-5,-3").ranges, quote_etag("e", weak=True),
        parse_accept_header("text/html;q=0.5,*/*").best, MultiDict([("a", 1), ("a", 2)]).to_dict(flat=False), Headers([("A", "1")]).to_wsgi_list(), NotFound().get_body()[:15], MethodNotAllowed(["GET"]).get_headers()[1],
    ]
