import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a fixed key", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
django.setup()

from asgiref.sync import async_to_sync, sync_to_async
from django import forms
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.urls import path


class Book(models.Model):
    title = models.CharField(max_length=40)
    pages = models.IntegerField()

    class Meta:
        app_label = "books"


class BookForm(forms.Form):
    title = forms.CharField(max_length=5)
    pages = forms.IntegerField(min_value=1)


def page(request, name):
    return HttpResponse(engines["django"].from_string("Hi {{ name|title }}{% if q %} ({{ q }}){% endif %}").render({"name": name, "q": request.GET.get("q")}))


def books(request):
    form = BookForm({"title": "too long", "pages": "0"})
    return JsonResponse({"valid": form.is_valid(), "errors": form.errors, "long": list(Book.objects.filter(pages__gt=100).order_by("title").values_list("title", flat=True)), "sum": Book.objects.aggregate(n=models.Sum("pages"))})


async def double(request, n):
    return JsonResponse({"n": await sync_to_async(lambda: n * 2)()})


urlpatterns = [path("hi/<str:name>", page), path("books", books), path("double/<int:n>", double)]
application = get_wsgi_application()
asgi = get_asgi_application()


def get(url, query=""):
    import io
    seen = []
    body = b"".join(application({"REQUEST_METHOD": "GET", "PATH_INFO": url, "QUERY_STRING": query, "SERVER_NAME": "host", "SERVER_PORT": "80", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"}, lambda status, headers: seen.append(status)))
    return [seen[0], body.decode() if seen[0] == "200 OK" else ""]


async def get_by_asgi(url):
    import asyncio
    sent = []
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        return messages.pop() if messages else await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    await asgi({"type": "http", "http_version": "1.1", "method": "GET", "path": url, "query_string": b"", "headers": [], "scheme": "http", "server": ("host", 80), "client": ("c", 1)}, receive, send)
    return [sent[0]["status"], b"".join(m.get("body", b"") for m in sent).decode()]


def main(args, context):
    with connection.schema_editor() as editor:
        editor.create_model(Book)
    for title, pages in (("b", 200), ("a", 300), ("c", 10)):
        Book.objects.create(title=title, pages=pages)
    return [get("/hi/you", "q=%3C1"), get("/books"), get("/none"), get("/double/4"), *(async_to_sync(get_by_asgi)(url) for url in ("/hi/you", "/double/5"))]
