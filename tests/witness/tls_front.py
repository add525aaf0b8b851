#!/usr/bin/env python3
"""Speaks TLS in front of a plain server, in the name of an authority that it makes for itself.

  tls_front.py --listen PORT --folder FOLDER

FOLDER/ca.pem is the authority; it is there before the port answers. FOLDER/upstream holds the port
on 127.0.0.1 that connections go on to, and is read for each.
"""
import argparse
import datetime
import ipaddress
import os
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(name, key, issuer, signer, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


def make(folder):
    pem = serialization.Encoding.PEM
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("witness", ca_key, None, ca_key, [(x509.BasicConstraints(True, 0), True)])
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    own = [(x509.BasicConstraints(False, None), True), (x509.SubjectAlternativeName(names), False)]
    leaf = certificate("127.0.0.1", key, ca.subject, ca_key, own)
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for name, text in [("ca.pem", ca.public_bytes(pem)), ("leaf.pem", secret + leaf.public_bytes(pem))]:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text)


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    # One end that closes closes both: what is spoken here has no half-open connections.
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def connect(plain, context, folder):
    try:
        near = context.wrap_socket(plain, server_side=True)
    except OSError:
        return plain.close()
    try:
        with open(os.path.join(folder, "upstream")) as file:
            far = socket.create_connection(("127.0.0.1", int(file.read())))
    except (OSError, ValueError):
        return near.close()
    threading.Thread(target=copy, args=(near, far), daemon=True).start()
    copy(far, near)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--listen", type=int, required=True)
    arguments.add_argument("--folder", required=True)
    given = arguments.parse_args()
    make(given.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(given.folder, "leaf.pem"))
    with socket.create_server(("127.0.0.1", given.listen), backlog=64) as server:
        while True:
            plain, _ = server.accept()
            threading.Thread(target=connect, args=(plain, context, given.folder), daemon=True).start()


main()
