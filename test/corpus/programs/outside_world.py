"""Tries what needs processes and the network, as programs that were written elsewhere do."""
import asyncio
import http.client
import multiprocessing
import os
import smtplib
import socket
import subprocess
import urllib.error
import urllib.request


def attempt(function):
    try:
        function()
        return "worked"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def connect():
    with socket.create_connection(("127.0.0.1", 1), timeout=1):
        pass


def main(args, context):
    return {
        "subprocess": attempt(lambda: subprocess.run(["true"], check=True)), "shell": attempt(lambda: subprocess.check_output("echo hi", shell=True)), "system": attempt(lambda: os.system("true")), "popen": attempt(lambda: os.popen("echo").read()), "fork": attempt(lambda: os.waitpid(pid, 0) if (pid := os.fork()) else os._exit(0)), "kill": attempt(lambda: os.kill(os.getpid(), 0)), "pipe": attempt(lambda: os.pipe()), "multiprocessing": attempt(lambda: multiprocessing.Process(target=print).start()),
        "connect": attempt(connect), "listen": attempt(lambda: socket.create_server(("127.0.0.1", 0)).close()), "pair": attempt(lambda: socket.socketpair()), "resolve": attempt(lambda: socket.getaddrinfo("127.0.0.1", 80)), "urlopen": attempt(lambda: urllib.request.urlopen("http://127.0.0.1:1/", timeout=1)), "data": attempt(lambda: urllib.request.urlopen("data:,x")), "file": attempt(lambda: urllib.request.urlopen("file:///tmp")), "http": attempt(lambda: http.client.HTTPConnection("127.0.0.1", 1, timeout=1).request("GET", "/")), "smtp": attempt(lambda: smtplib.SMTP("127.0.0.1", 1, timeout=1)),
        "executor": attempt(lambda: asyncio.run(asyncio.to_thread(len, ""))), "open_connection": attempt(lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection("127.0.0.1", 1), 1))), "process": attempt(lambda: asyncio.run(asyncio.create_subprocess_exec("true"))), "pack": [socket.inet_aton("1.2.3.4").hex(), attempt(lambda: socket.inet_pton(socket.AF_INET6, "::1")), socket.htons(1), attempt(lambda: socket.gethostbyname("127.0.0.1"))] if hasattr(socket, "inet_aton") else "absent",
    }
