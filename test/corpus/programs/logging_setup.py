"""Configures logging by code and by a dict, with filters, formatters, rotation and queues."""
import io
import json
import logging
import logging.config
import logging.handlers
import os
import queue
import tempfile
import warnings


class JsonFormatter(logging.Formatter):
    def format(self, record):
        fields = {"level": record.levelname, "text": record.getMessage(), "where": f"{record.module}.{record.funcName}:{record.lineno}", **getattr(record, "fields", {})}
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info).splitlines()[-1]
        return json.dumps(fields, ensure_ascii=False)


class Secrets(logging.Filter):
    def filter(self, record):
        record.msg = str(record.msg).replace("hunter2", "***")
        return record.levelno != logging.INFO


def main(args, context):
    stream, plain = io.StringIO(), io.StringIO()
    log = logging.getLogger("app.orders")
    log.propagate = False
    log.setLevel("DEBUG")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(Secrets())
    log.addHandler(handler)
    second = logging.StreamHandler(plain)
    second.setFormatter(logging.Formatter("%(levelname)-8s|%(name)s|%(message)s|%(process)d" .replace("|%(process)d", ""), style="%", defaults={"x": 1}))
    second.setLevel(logging.WARNING)
    log.addHandler(second)
    log.debug("password hunter2 for %s", "ada")
    log.info("dropped")
    log.warning("größe %d%% of %(x)s" if False else "größe %d%%", 50, extra={"fields": {"id": 7}})
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed", stack_info=False)
    log.log(35, "custom")
    logging.addLevelName(35, "NOTICE")
    log.log(35, "named")
    memory = logging.handlers.MemoryHandler(10, logging.ERROR, second)
    memory.emit(logging.makeLogRecord({"msg": "buffered %s", "args": ("x",), "levelno": 20, "levelname": "INFO", "name": "m"}))
    memory.flush()
    q = queue.Queue()
    logging.handlers.QueueHandler(q).emit(logging.makeLogRecord({"msg": "queued %d", "args": (5,)}))
    out = {"json": [json.loads(line) for line in stream.getvalue().splitlines()], "plain": plain.getvalue().splitlines(), "queued": q.get_nowait().message}
    with tempfile.TemporaryDirectory() as folder:
        rotating = logging.handlers.RotatingFileHandler(os.path.join(folder, "app.log"), maxBytes=60, backupCount=2, encoding="utf-8")
        for i in range(6):
            rotating.emit(logging.makeLogRecord({"msg": f"line {i} " + "x" * 20}))
        rotating.close()
        out["rotated"] = {n: len(open(os.path.join(folder, n)).readlines()) for n in sorted(os.listdir(folder))}
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "formatters": {"f": {"format": "{levelname}:{message}", "style": "{"}}, "handlers": {"file": {"class": "logging.FileHandler", "filename": os.path.join(folder, "d.log"), "formatter": "f"}}, "loggers": {"conf": {"level": "INFO", "handlers": ["file"], "propagate": False}}})
        logging.getLogger("conf").info("configured")
        logging.getLogger("conf").debug("not")
        out["dict"] = open(os.path.join(folder, "d.log")).read()
        logging.getLogger("conf").handlers[0].close()
    errors = []
    for bad in ({"version": 2}, {"version": 1, "handlers": {"h": {"class": "no.Such"}}}, {"version": 1, "root": {"level": "LOUD"}}):
        try:
            logging.config.dictConfig(bad)
        except (ValueError, AttributeError) as error:
            errors.append([str(error), repr(error.__cause__)])
    out["errors"] = errors
    out["levels"] = [logging.getLevelName(10), logging.getLevelName("ERROR"), logging.getLevelName(3), sorted(logging.getLevelNamesMapping())[:3], log.isEnabledFor(5), log.getEffectiveLevel(), log.hasHandlers(), log.getChild("x").name, repr(log), log.parent is logging.getLogger("app") or repr(log.parent)]
    with warnings.catch_warnings():
        logging.captureWarnings(True)
        seen = io.StringIO()
        logging.getLogger("py.warnings").addHandler(logging.StreamHandler(seen))
        warnings.warn("careful", UserWarning)
        logging.captureWarnings(False)
    out["warnings"] = "UserWarning: careful" in seen.getvalue()
    out["time"] = [logging.Formatter("%(asctime)s %(msecs)d", "%Y-%m-%d %H:%M:%S").format(logging.makeLogRecord({"created": 1700000000.25, "msecs": 250.0, "msg": ""})), logging.Formatter("%(asctime)s").format(logging.makeLogRecord({"created": 0, "msecs": 5}))]
    return out
