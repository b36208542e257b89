"""Configurations of nginx and HAProxy: the upstream that answers, and the proxies measured beside
ours. Equal where they can be: one worker, TLS 1.2 and 1.3, X25519, no session cache, pooled
connections to the next hop, no access log."""
import json

MODEL = "gpt-oss-120b"
CHAT, LARGE, AUDIO = "/v1/chat/completions", "/v1/completions", "/v1/audio/transcriptions"
LARGE_ANSWER = "large.json"
CONNECTIONS_MAX = 8192
# Needed for keep-alive to the next hop; must stand beside a server's other headers, or it is not inherited.
NGINX_HEADERS = 'proxy_set_header Connection ""; proxy_set_header Host $host;'


def chat_answer(size):
    """An answer of the vendor's with `size` bytes of JSON."""
    def document(content):
        return json.dumps({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL,
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": content},
                "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}})
    words = "lorem ipsum dolor sit amet " * (size // 20)
    return document(words[:size - len(document(""))])


def nginx(folder, name, http):
    """The text of a whole configuration around `http`."""
    spool = "".join(f"{module}_temp_path {folder}/{name}-{module}; " for module in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/log crit;
events {{ worker_connections {CONNECTIONS_MAX}; }}
http {{
  access_log off; tcp_nodelay on; keepalive_timeout 300s; keepalive_requests 1000000000;
  client_max_body_size 0; client_body_buffer_size 64k; {spool}
  proxy_http_version 1.1; proxy_buffering off; proxy_buffer_size 16k; proxy_buffers 8 16k;
  default_type application/json; map_hash_bucket_size 128;
{http}
}}
"""


def nginx_vendor(folder, port):
    """Answers 1 KB, on LARGE 100 KB."""
    return nginx(folder, "vendor", f"""
  server {{
    listen 127.0.0.1:{port} backlog=4096; root {folder};
    location / {{ return 200 '{chat_answer(1024)}'; }}
    location {LARGE} {{ error_page 405 =200 /{LARGE_ANSWER}; return 405; }}
    location /{LARGE_ANSWER} {{ }}
  }}""")


def nginx_next(address):
    return f"upstream next {{ server {address}; keepalive 512; keepalive_requests 1000000000; }}"


def nginx_tls(folder, name, port, next_hop):
    return nginx(folder, name, f"""
  {nginx_next(next_hop)}
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    ssl_certificate {folder}/both.pem; ssl_certificate_key {folder}/both.pem;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:prime256v1; ssl_session_cache off;
    {NGINX_HEADERS}
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id;
    location / {{ proxy_pass http://next; }}
  }}""")


def nginx_core(folder, socket, key, vendor):
    return nginx(folder, "nginx-core", f"""
  {nginx_next(f"127.0.0.1:{vendor}")}
  map $http_authorization $is_known {{ default 0; "Bearer {key}" 1; }}
  server {{
    listen unix:{socket} backlog=4096;
    {NGINX_HEADERS}
    location / {{ if ($is_known = 0) {{ return 401; }} proxy_pass http://next; }}
  }}""")


def haproxy(bind, rules, next_hop):
    """The text of a whole configuration of one hop."""
    return f"""global
  nbthread 1
  maxconn {CONNECTIONS_MAX}
  tune.ssl.cachesize 0
  ssl-default-bind-curves X25519:P-256
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  http-reuse always
frontend all
  bind {bind}
  {rules}
  default_backend next
backend next
  server next {next_hop} pool-max-conn 512
"""


def haproxy_tls(folder, port, next_hop):
    rules = """option forwardfor
  unique-id-format %{+X}o%ci:%cp_%Ts_%rt:%pid
  http-request set-header X-Request-Id %[unique-id]"""
    return haproxy(
        f"127.0.0.1:{port} ssl crt {folder}/both.pem ssl-min-ver TLSv1.2", rules, next_hop)


def haproxy_core(socket, key, vendor):
    check = f'http-request deny deny_status 401 unless {{ req.hdr(authorization) -m str "Bearer {key}" }}'
    return haproxy(f"unix@{socket}", check, f"127.0.0.1:{vendor}")
