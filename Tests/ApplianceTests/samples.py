"""Bodies that several tests send."""
import struct

WAV_SECONDS = 3
WAV = b"RIFF" + struct.pack(
    "<I4s4sIHHIIHH4sI", 36 + 32000 * WAV_SECONDS, b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16,
    b"data", 32000 * WAV_SECONDS) + bytes(32000 * WAV_SECONDS)

BOUNDARY = "a-boundary-of-the-tests"


def form(*parts, boundary=BOUNDARY):
    """A multipart body of (name, value) or (name, file name, bytes)."""
    body = b""
    for name, *rest in parts:
        *file, value = rest
        extra = f'; filename="{file[0]}"\r\nContent-Type: audio/wav' if file else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode()
        body += (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


FORM_TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
