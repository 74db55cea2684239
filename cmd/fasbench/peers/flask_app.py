"""The app that gunicorn serves: the trivial function, and the one with large results, in a warm, shared process."""

from flask import Flask, jsonify, request

import hello
import text

app = Flask(__name__)


@app.post("/")
def run():
    return jsonify(hello.main(request.get_json(), {}))


@app.post("/text")
def run_text():
    return jsonify(text.main(request.get_json(), {}))
