/* Arranges the heap of an interpreter that is about to become an image.
 *
 * After a run, every page that it wrote is restored. The cost of a run beyond
 * its own work is therefore proportional to the pages written, and CPython writes
 * to many pages without need: it counts references to objects that are never
 * freed, and it allocates from holes that earlier work has left all over the
 * heap. This file avoids both, once, before an image is taken.
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

/* pymalloc serves sizes up to SMALL_MAX, in steps, from pools of one size each.
 * A pool starts with its header, directly followed by its first block. From
 * CPython's pycore_obmalloc.h, for 32 bits. */
enum { SMALL_MAX = 512, SMALL_STEP = 16, POOL = 16 * 1024, POOL_HEADER = 32 };

/* More than the number of holes of one size in any of our heaps. */
enum { MAX_HOLES = 200000 };

/* Takes every free block of the pools in use, for good: later allocations come
 * from new pools, side by side, instead of from holes all over the heap.
 * A pool hands out its first block when it comes into use. When that happens,
 * no hole of this size is left, and the block is freed again. */
static void fill_holes(void) {
    for (size_t size = SMALL_STEP; size <= SMALL_MAX; size += SMALL_STEP) {
        for (int n = 0; n < MAX_HOLES; n++) {
            void *block = PyObject_Malloc(size);
            if (!block) break;
            if ((uintptr_t)block % POOL == POOL_HEADER) {
                PyObject_Free(block);
                break;
            }
        }
    }
}

static int call_gc(const char *name) {
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *done = gc ? PyObject_CallMethod(gc, name, NULL) : NULL;
    Py_XDECREF(gc);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

int faas_settle(int for_good) {
    /* A full collection also empties the free lists of the types. All later
     * collections skip the remaining objects. */
    if (call_gc("collect") < 0) return -1;
    if (for_good && immortalize() < 0) return -1;
    if (call_gc("freeze") < 0) return -1;
    /* Filling a pool writes to all of it. That pays once, for the holes of the
     * whole standard library; a function's own are few and close together. */
    if (for_good) fill_holes();
    return 0;
}
