#!/usr/bin/env python3
"""A driver for Muster whose machines are processes on this host, each with a folder of its own.

The protocol: docs/formats/plugin.md. Try it: muster doctor plugin ./driver.py

Its option `folder` says where the folders are; `machines` beside this file when it is not given.
"""

import hashlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path


class Refusal(Exception):
    """An error for the one who asked: a code of the protocol, and a sentence."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def say(request, **what):
    print(json.dumps({"id": request["id"], **what}), flush=True)


# A machine is this program with the word `machine`. It listens at a name that the kernel gives to one process only,
# and takes back with it: so there are never two for one folder, and whoever connects sees its end.


def name_of(folder):
    return "\0muster-example-" + hashlib.sha256(str(folder).encode()).hexdigest()


def be_machine(folder):
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(name_of(folder))
    except OSError:
        return  # it runs already
    listener.listen(64)
    os.write(1, b"up\n")
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    visitors = []
    while True:
        visitors = visitors[-63:] + [listener.accept()[0]]


def connection_to(folder):
    """A connection to the machine's process; None when it does not run."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(name_of(folder))
        return connection
    except OSError:
        connection.close()
        return None


def start(folder):
    if connection_to(folder):
        return
    process = subprocess.Popen(
        [sys.executable, os.path.abspath(__file__), "machine", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    process.stdout.readline()  # it is up, or another one is


def stop(folder):
    connection = connection_to(folder)
    if connection:
        pid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        os.kill(pid, signal.SIGKILL)
        connection.recv(1)  # returns when it has ended


# The requests.


def describe(request, folder):
    return {
        "format": 1,
        "name": "processes",
        "version": "1",
        "requests": ["create", "inspect", "destroy", "list", "power", "watch"],
    }


def create(request, folder):
    # Asked again it finds what it made before: the folder with the labels comes first, and shows only when it is whole.
    if not folder.is_dir():
        say(request, progress=f"making {folder}")
        draft = folder.with_name(".draft-" + folder.name)
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "root").mkdir(parents=True)
        (draft / "labels").write_text(json.dumps(request["labels"]))
        draft.rename(folder)
    start(folder)
    number = request["node_id"]
    return {
        "address": f"127.101.{number // 250 % 250}.{number % 250 + 1}",
        "facts": {"folder": str(folder)},
        "connect": ["sh"],
        "root": str(folder / "root"),
    }


def inspect(request, folder):
    if not folder.is_dir():
        return {"state": "gone"}
    return {"state": "ready" if connection_to(folder) else "off"}


def power(request, folder):
    if not folder.is_dir():
        raise Refusal("lost", f"there is no machine {folder.name}")
    if request["power"] == "on":
        start(folder)
    else:
        stop(folder)
    return {}


def destroy(request, folder):
    stop(folder)
    gone = folder.with_name(".draft-" + folder.name)
    shutil.rmtree(gone, ignore_errors=True)
    if folder.is_dir():
        folder.rename(gone)
        shutil.rmtree(gone)
    return {}


def list_machines(request, folder):
    machines = []
    for labels in sorted(folder.glob("*/labels")):
        values = json.loads(labels.read_text())
        if values["muster.state"] == request["state"]:
            machines.append({"machine": labels.parent.name, "labels": values})
    return {"machines": machines}


def watch(request, folder):
    # It answers when the machine is lost, and ends when nobody wants to know: when its input ends.
    connection = connection_to(folder)
    if not connection:
        return {"lost": "its process does not run"}
    say(request, watching=True)
    ready, _, _ = select.select([connection, sys.stdin], [], [])
    if connection not in ready:
        sys.exit(0)
    return {"lost": "its process ended"}


REQUESTS = {
    "describe": describe,
    "create": create,
    "inspect": inspect,
    "power": power,
    "destroy": destroy,
    "list": list_machines,
    "watch": watch,
}


def main():
    if sys.argv[1:2] == ["machine"]:
        return be_machine(Path(sys.argv[2]))
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        sys.exit(1)  # it was cut off: nobody wants it
    request = json.loads(line)
    folder = Path(request["options"].get("folder", "machines")).absolute()
    if "machine" in request:
        folder = folder / request["machine"]
    try:
        body = REQUESTS.get(request["request"])
        if not body:
            raise Refusal("unsupported", f"this driver does not know the request {request['request']}")
        say(request, ok=body(request, folder))
    except Refusal as refusal:
        say(request, error={"code": refusal.code, "message": str(refusal)})
    except OSError as error:
        say(request, error={"code": "refused", "message": str(error)})


main()
