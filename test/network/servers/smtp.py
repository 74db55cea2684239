"""Serves SMTP: smtp.py PORT ENCRYPTED_PORT CERTIFICATE KEY."""

import asyncio
import hashlib
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        digest = hashlib.sha256(envelope.content).hexdigest()
        return f"250 {envelope.mail_from} {','.join(envelope.rcpt_tos)} {digest}"


def login(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"user", b"secret"), handled=False)


warnings.simplefilter("ignore")  # about the login without TLS


async def main(port, encrypted, certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def plain():
        return SMTP(Handler(), hostname="localhost", authenticator=login, auth_required=True, auth_require_tls=False, tls_context=context)

    def tls():
        return SMTP(Handler(), hostname="localhost", authenticator=login, auth_required=True, auth_require_tls=False)

    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(plain, "127.0.0.1", int(port)),
        await loop.create_server(tls, "127.0.0.1", int(encrypted), ssl=context),
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main(*sys.argv[1:]))
