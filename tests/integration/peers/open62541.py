"""A secured server over open62541 (package o6): FOLDER URI PORT; trusts FOLDER/trusted, by FOLDER/ca."""

import sys
from pathlib import Path

from o6 import Server

folder, uri, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def read(kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(kind))]


server = Server(
    port, certificate=folder / "cert.der", privateKey=folder / "key.pem", trustList=read("trusted/*.der"),
    issuerList=read("ca/*.der"), revocationList=read("ca/*.crl"), applicationUri=uri,
)  # fmt: skip
for name, value in (("shown", 7.5), ("number", 0.0), ("text", "")):
    server.addVariable(name, server.objectsNode, value, nodeId=f"ns=1;s={name}")
server.start()
print(port, flush=True)
sys.stdin.read()
