"""peer.py serve PROTOCOL PORT NAME | ask PROTOCOL ADDRESS PORT SOURCEPORT TIMEOUT

A server answers each question with its name, and the address and port it was asked from. It ends with its standard input.
"""

import select
import socket
import sys

KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP), "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, getattr(socket, "IPPROTO_SCTP", 132)),
}


def listen(protocol, port):
    kind, number = KINDS[protocol]
    server = socket.socket(socket.AF_INET6, kind, number)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        server.listen(16)
    return server


def answer(name, address):
    return f"{name} {address[0].removeprefix('::ffff:')} {address[1]}\n".encode()


def serve(protocol, port, name):
    server = listen(protocol, int(port))
    print("READY", flush=True)
    while True:
        ready, _, _ = select.select([server, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        if protocol == "udp":
            _, address = server.recvfrom(100)
            server.sendto(answer(name, address), address)
        else:
            connection, address = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer(name, address))


def ask(protocol, address, port, source, timeout):
    kind, number = KINDS[protocol]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind, number) as client:
        client.settimeout(float(timeout))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if int(source):
            client.bind(("", int(source)))
        client.connect((address, int(port)))
        client.sendall(b"who?")
        line = client.recv(200)
    if not line:
        sys.exit("the connection was closed without an answer")
    print(line.decode(), end="")


if __name__ == "__main__":
    try:
        {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
    except OSError as error:
        sys.exit(str(error))
