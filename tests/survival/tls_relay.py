"""Terminates TLS in front of a server. Arguments: the port to listen on, the port of the server, certificate, key."""

import asyncio
import ssl
import sys

listen_port, server_port, certificate, key = sys.argv[1:]


async def carry(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    server_reader, server_writer = await asyncio.open_connection("127.0.0.1", int(server_port))
    await asyncio.gather(carry(reader, server_writer), carry(server_reader, writer))


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "127.0.0.1", int(listen_port), ssl=context)
    await server.serve_forever()


asyncio.run(main())
