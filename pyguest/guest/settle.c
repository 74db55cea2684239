/* Arranges the heap of an interpreter that is about to become an image.
 *
 * After a run, every page that it wrote is restored. The cost of a run beyond
 * its own work is therefore proportional to the pages written, and CPython writes
 * to many pages without need: it counts references to objects that are never
 * freed, it allocates from holes that earlier work has left all over the
 * heap, and from a page for each size of objects. This file avoids that, before an
 * image is taken.
 */
#define PY_SSIZE_T_CLEAN
#include "settle.h"

#include <stdint.h>
#include <stdlib.h>

/* A stack of objects still to be visited. */
typedef struct {
    PyObject **items;
    size_t len, cap;
    int failed;
} Stack;

static void push(Stack *s, PyObject *op) {
    if (s->len == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 4096;
        PyObject **items = realloc(s->items, cap * sizeof *items);
        if (!items) {
            s->failed = 1;
            return;
        }
        s->items = items;
        s->cap = cap;
    }
    s->items[s->len++] = op;
}

static int visit(PyObject *op, void *arg) {
    if (op && !_Py_IsImmortal(op)) {
        op->ob_refcnt = _Py_IMMORTAL_REFCNT;
        push(arg, op);
    }
    return 0;
}

/* Code objects refer to objects but do not take part in garbage collection, so
 * they have no tp_traverse. */
static void visit_code(PyCodeObject *code, Stack *s) {
    PyObject *held[] = {code->co_consts,   code->co_names,     code->co_exceptiontable,
                        code->co_filename, code->co_name,      code->co_qualname,
                        code->co_linetable, code->co_localsplusnames, code->co_localspluskinds};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) visit(held[i], s);
}

/* Makes all objects that the collector tracks, and all objects that they refer
 * to, immortal (PEP 683): references to them are no longer counted. */
static int immortalize(void) {
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *objects = gc ? PyObject_CallMethod(gc, "get_objects", NULL) : NULL;
    Py_XDECREF(gc);
    if (!objects) return -1;
    Stack stack = {0};
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(objects); i++) visit(PyList_GET_ITEM(objects, i), &stack);
    while (stack.len > 0) {
        PyObject *op = stack.items[--stack.len];
        if (PyCode_Check(op)) visit_code((PyCodeObject *)op, &stack);
        else if (Py_TYPE(op)->tp_traverse) Py_TYPE(op)->tp_traverse(op, visit, &stack);
    }
    free(stack.items);
    Py_DECREF(objects); /* frees only the list: its items are immortal now */
    if (stack.failed) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int call_gc(const char *name) {
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *done = gc ? PyObject_CallMethod(gc, name, NULL) : NULL;
    Py_XDECREF(gc);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Of CPython, or patched into it. */
extern void _PyMem_RetirePools(void);
extern void _PyMem_OpenNursery(int kept);
extern void _PyGC_ClearAllFreeLists(PyInterpreterState *interp);

/* Units of the nursery that are kept for runs: all but 8 KB of its 31. */
enum { NURSERY_OF_RUNS = 92 };

void faas_gather(void) {
    /* The lists would supply objects from all over the heap. */
    _PyGC_ClearAllFreeLists(PyInterpreterState_Get());
    _PyMem_OpenNursery(NURSERY_OF_RUNS);
}

int faas_settle(int for_good) {
    /* A full collection also empties the free lists of the types. All later
     * collections skip the remaining objects. */
    if (call_gc("collect") < 0) return -1;
    if (for_good && immortalize() < 0) return -1;
    if (call_gc("freeze") < 0) return -1;
    _PyGC_ClearAllFreeLists(PyInterpreterState_Get());
    if (for_good) _PyMem_RetirePools();
    else _PyMem_OpenNursery(0);
    return 0;
}
