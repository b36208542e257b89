"""A TLS proxy with a key check on the predecessor's framework: aiohttp on uvloop, one process.

    aiohttp_proxy.py CERTIFICATE KEY PORT VENDOR_PORT API_KEY"""
import ssl
import sys

import uvloop
from aiohttp import ClientSession, TCPConnector, web

# Headers of one connection, which a proxy does not pass on (RFC 9110, 7.6.1), and what aiohttp sets.
NOT_PASSED = {"connection", "keep-alive", "te", "transfer-encoding", "upgrade", "host", "content-length"}
BODY_BYTES_MAX = 64 << 20


async def relay(request):
    if request.headers.get("Authorization") != request.app["authorization"]:
        return web.Response(status=401)
    headers = {n: v for n, v in request.headers.items() if n.lower() not in NOT_PASSED}
    async with request.app["session"].request(
            request.method, request.app["vendor"] + request.path_qs,
            data=await request.read(), headers=headers) as answer:
        if answer.content_type != "text/event-stream":
            return web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        async for piece in answer.content.iter_any():
            await stream.write(piece)
        await stream.write_eof()
        return stream


async def session(app):
    async with ClientSession(connector=TCPConnector(limit=0)) as app["session"]:
        yield


def main():
    certificate, key, port, vendor, api_key = sys.argv[1:]
    uvloop.install()
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app["authorization"] = f"Bearer {api_key}"
    app["vendor"] = f"http://127.0.0.1:{vendor}"
    app.cleanup_ctx.append(session)
    app.router.add_post("/{path:.*}", relay)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    web.run_app(
        app, host="127.0.0.1", port=int(port), ssl_context=context, access_log=None, print=None)


if __name__ == "__main__":
    main()
