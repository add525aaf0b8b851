"""moto's server, with those answers mended in which it is known not to be AWS.

  moto_server.py PORT

What is mended here is mended because no client that follows AWS's model can read it, or because the
program would be right to refuse it. Each entry says what AWS does.
"""
import sys

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

# (method, what the query string begins with, what moto says, what AWS says)
MENDED = [
    # AWS's model names the root of GetBucketVersioning's answer; moto writes the operation's.
    ("GET", "versioning", b"GetBucketVersioningResponse", b"VersioningConfiguration"),
]


class Mended:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        mends = [m for m in MENDED if m[0] == method and query.startswith(m[1])]
        if not mends:
            return self.app(environ, start_response)
        head = []
        body = b"".join(self.app(environ, lambda status, headers, _=None: head.append((status, headers))))
        for _, _, said, meant in mends:
            body = body.replace(said, meant)
        status, headers = head[0]
        headers = [(k, v) for k, v in headers if k.lower() != "content-length"]
        start_response(status, headers + [("Content-Length", str(len(body)))])
        return [body]


# Tests come over plain HTTP, which the policy of the record's bucket forbids, as it should. The policy is kept and
# read back; it is not enforced.
FakeBucket.get_permission = lambda *_: PermissionResult.NEUTRAL

run_simple("127.0.0.1", int(sys.argv[1]), Mended(DomainDispatcherApplication(create_backend_app)), threaded=True)
