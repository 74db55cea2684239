/* TLS: one function over the call of the host that runs its engines (runtime/sandbox/wasi, tls.go).
 *
 * The engines, their keys and their sessions are in the host. ../bootstrap/_faas_boot/tlsengine.py has the
 * numbers of the operations and what their answers mean.
 */
#define PY_SSIZE_T_CLEAN
#include "sockets.h"
#include "tls.h"

#include <stdint.h>

typedef struct {
    int32_t status;
    uint32_t n;
} Result;

__attribute__((import_module("wasi_snapshot_preview1"), import_name("tls_call"))) extern int32_t
host_tls(int32_t handle, int32_t op, const void *in, size_t in_len, void *out, size_t out_len, int64_t timeout, Result *result);

enum { STATUS_MASK = 0xff, STATUS_SYSTEM = 6 };

/* Calls the host and checks its answer. Returns 0, or -1 with an OSError set. */
static int ask(PyObject *const *args, const Py_buffer *in, void *out, size_t out_len, Result *result) {
    long handle = PyLong_AsLong(args[0]), op = PyLong_AsLong(args[1]);
    long long timeout = PyLong_AsLongLong(args[4]);
    if (PyErr_Occurred()) return -1;
    *result = (Result){0};
    int error = host_tls((int32_t)handle, (int32_t)op, in->buf, (size_t)in->len, out, out_len, timeout, result);
    if (error == 0 && (result->status & STATUS_MASK) == STATUS_SYSTEM) error = (int)result->n;
    if (error == 0) return 0;
    faas_socket_done(error);
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

static PyObject *answer(const Result *result, PyObject *value) {
    PyObject *status = value ? PyLong_FromLong(result->status) : NULL;
    PyObject *pair = status ? PyTuple_Pack(2, status, value) : NULL;
    Py_XDECREF(status);
    Py_XDECREF(value);
    return pair;
}

/* Returns the answer of an operation whose output is a new object of at most size bytes. */
static PyObject *to_bytes(PyObject *const *args, const Py_buffer *in, Py_ssize_t size) {
    Result result;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (!bytes) return NULL;
    if (ask(args, in, PyBytes_AS_STRING(bytes), (size_t)size, &result) < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    if (result.n > (size_t)size) { /* the length that an answer needs */
        Py_DECREF(bytes);
        return answer(&result, PyLong_FromUnsignedLong(result.n));
    }
    if ((size_t)size != result.n && _PyBytes_Resize(&bytes, (Py_ssize_t)result.n) < 0) return NULL;
    return answer(&result, bytes);
}

static PyObject *to_buffer(PyObject *const *args, const Py_buffer *in, PyObject *object) {
    Result result;
    Py_buffer out = {0};
    if (object != Py_None && PyObject_GetBuffer(object, &out, PyBUF_WRITABLE) < 0) return NULL;
    int failed = ask(args, in, out.buf, (size_t)out.len, &result) < 0;
    if (out.obj) PyBuffer_Release(&out);
    return failed ? NULL : answer(&result, PyLong_FromUnsignedLong(result.n));
}

static PyObject *tls(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    Py_buffer in = {0};
    PyObject *out = NULL;
    if (count != 5) {
        PyErr_Format(PyExc_TypeError, "tls expected 5 arguments, got %zd", count);
        return NULL;
    }
    if (args[2] != Py_None && PyObject_GetBuffer(args[2], &in, PyBUF_SIMPLE) < 0) return NULL;
    if (PyLong_Check(args[3])) {
        Py_ssize_t size = PyLong_AsSsize_t(args[3]);
        if (size >= 0 || !PyErr_Occurred()) out = to_bytes(args, &in, size);
    } else {
        out = to_buffer(args, &in, args[3]);
    }
    if (in.obj) PyBuffer_Release(&in);
    return out;
}

static PyMethodDef functions[] = {
    {"tls", (PyCFunction)(void (*)(void))tls, METH_FASTCALL,
     "tls(handle, op, in, out, timeout): one operation of an engine of the host. in is None or bytes; out is a buffer, or the"
     " most bytes that the answer may have, or None; timeout is in milliseconds. Returns the status and the bytes of the"
     " answer, or their number if they went to a buffer or are more than out."},
    {NULL, NULL, 0, NULL},
};

int faas_add_tls(PyObject *module) { return PyModule_AddFunctions(module, functions); }
