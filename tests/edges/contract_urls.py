"""The pages of the contract in a Django project."""

from __future__ import annotations

from django.http import HttpRequest
from django.http import HttpResponse
from django.http import StreamingHttpResponse
from django.urls import path

from tests.edges.contract import VECTORS


def page(request: HttpRequest, name: str) -> HttpResponse | StreamingHttpResponse:
    """Answer one vector."""
    vector = VECTORS[name]
    headers = dict(vector.headers)
    if len(vector.pieces) == 1:
        return HttpResponse(vector.body, vector.kind, vector.status, headers=headers)
    return StreamingHttpResponse(iter(vector.pieces), content_type=vector.kind, status=vector.status, headers=headers)


urlpatterns = [path("<name>", page)]
