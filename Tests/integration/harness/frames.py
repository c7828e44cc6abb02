"""frames.py listen INTERFACE | send INTERFACE SOURCE TEXT…

Ethernet frames of a type of their own (0x88b5, for local experiments): a listener prints the source address and the text of each; a sender
sends one for each text to everyone, from an address of its choice. A listener ends with its standard input.
"""

import select
import socket
import sys

TYPE = 0x88B5


def open_socket(interface):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(TYPE))
    raw.bind((interface, TYPE))
    return raw


def listen(interface):
    raw = open_socket(interface)
    print("READY", flush=True)
    while True:
        ready, _, _ = select.select([raw, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        frame, (_, _, kind, _, _) = raw.recvfrom(2000)
        if kind != socket.PACKET_OUTGOING:
            print(frame[6:12].hex(":"), frame[14:].rstrip(b"\0").decode(), flush=True)


def send(interface, source, *texts):
    raw = open_socket(interface)
    for text in texts:
        raw.send(b"\xff" * 6 + bytes.fromhex(source.replace(":", "")) + TYPE.to_bytes(2, "big") + text.encode())


if __name__ == "__main__":
    {"listen": listen, "send": send}[sys.argv[1]](*sys.argv[2:])
