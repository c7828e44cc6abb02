"""flow.py receive PORT | send ADDRESS PORT SECONDS SKIP

Sends as fast as TCP can; the receiver prints how many bits a second came, after the first SKIP bytes, for SECONDS.
"""

import socket
import sys
import time


def receive(port):
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("READY", flush=True)
        connection, _ = server.accept()
        seconds, skip = (float(word) for word in connection.recv(64, socket.MSG_WAITALL).split())
        while skip > 0:
            skip -= len(connection.recv(1 << 16))
        began, count = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            count += len(connection.recv(1 << 16))
        print(count * 8 / (time.monotonic() - began), flush=True)


def send(address, port, seconds, skip):
    with socket.create_connection((address, int(port)), timeout=10) as connection:
        connection.sendall(f"{seconds} {skip}".ljust(64).encode())
        try:
            while True:
                connection.sendall(bytes(1 << 16))
        except OSError:
            pass


if __name__ == "__main__":
    {"receive": receive, "send": send}[sys.argv[1]](*sys.argv[2:])
