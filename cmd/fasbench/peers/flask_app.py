"""The app that gunicorn serves: the trivial function in a warm, shared process."""

from flask import Flask, jsonify, request

from hello import main

app = Flask(__name__)


@app.post("/")
def run():
    return jsonify(main(request.get_json(), {}))
