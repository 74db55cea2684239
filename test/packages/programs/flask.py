import io

from flask import Flask, abort, jsonify, request, session

app = Flask(__name__)
app.secret_key = "a fixed key"


@app.route("/hello/<name>")
def hello(name):
    session["name"] = name
    return "<b>%s</b>" % name


@app.post("/sum")
def total():
    return jsonify(sum=sum(request.get_json()["numbers"]), name=session.get("name"))


@app.post("/file")
def file():
    f = request.files["f"]
    return {"name": f.filename, "size": len(f.read())}


@app.route("/none")
def none():
    abort(404)


def main(args, context):
    client = app.test_client()
    answers = [client.get("/hello/you"), client.post("/sum", json={"numbers": [1, 2, 3]}), client.get("/none"),
               client.post("/file", data={"f": (io.BytesIO(b"12345"), "a.txt")})]
    return [[a.status, a.content_type, a.text] for a in answers]
