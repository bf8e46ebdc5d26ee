"""The reference for accepting: the smallest Flask application there is."""

from flask import Flask

app = Flask(__name__)


@app.post("/")
def hello() -> str:
    return "hello"
