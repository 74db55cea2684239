/* The exported functions of the guest: everything that the host calls.
 *
 * The host and this file use the protocol of ../PROTOCOL.md. All state that
 * lives between two calls is in linear memory, so that the host can copy and
 * restore it; package sandbox does that.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>
#include <wasi/api.h>

#include "protocol.h"
#include "renewal.h"
#include "settle.h"

__attribute__((import_module("faas"), import_name("call"))) extern int32_t
faas_call(int32_t op, const void *request, int32_t request_len, void *response,
          int32_t response_cap);

__attribute__((import_module("faas"), import_name("yield"))) extern void
faas_yield(void);

#define EXPORT(name) __attribute__((export_name(name)))

/* Bound methods of the bootstrap package, set by faas_boot. */
static PyObject *boot_compile;
static PyObject *boot_deploy;
static PyObject *boot_run;
static PyObject *boot_resume;

EXPORT("faas_protocol") int32_t guest_protocol(void) { return FAAS_PROTOCOL_VERSION; }

/* Keeps the yield import alive: the instrumenter calls the import itself, at
 * every loop head. */
EXPORT("faas_checkpoint") void guest_checkpoint(void) { faas_yield(); }

/* Starts the interpreter: isolated, without site, in UTF-8, with a hash seed
 * drawn from the host's randomness. Returns 0, or an FAAS_E code. */
EXPORT("faas_init") int32_t guest_init(void) {
    if (PyImport_AppendInittab("_faas", PyInit__faas) < 0) return FAAS_E_MEMORY;
    PyPreConfig pre;
    PyPreConfig_InitIsolatedConfig(&pre);
    pre.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&pre);
    if (PyStatus_Exception(status)) return FAAS_E_PYTHON;

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.use_hash_seed = 0;
    config.write_bytecode = 0;
    config.install_signal_handlers = 0;
    config.pathconfig_warnings = 0;
    config.module_search_paths_set = 1;
    const struct {
        wchar_t **field;
        const wchar_t *value;
    } strings[] = {
        {&config.program_name, L"python3"},        {&config.executable, L"/usr/bin/python3"},
        {&config.base_executable, L"/usr/bin/python3"}, {&config.home, L"/usr"},
        {&config.prefix, L"/usr"},                 {&config.exec_prefix, L"/usr"},
        {&config.base_prefix, L"/usr"},            {&config.base_exec_prefix, L"/usr"},
        {&config.stdlib_dir, L"/usr/lib/python3.13"},
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings && !PyStatus_Exception(status); i++)
        status = PyConfig_SetString(&config, strings[i].field, strings[i].value);
    if (!PyStatus_Exception(status))
        status = PyWideStringList_Append(&config.module_search_paths, L"/usr/lib/python3.13");
    if (!PyStatus_Exception(status))
        status = PyWideStringList_Append(&config.module_search_paths, L"/usr/lib/faaspot");
    if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return PyStatus_Exception(status) ? FAAS_E_PYTHON : 0;
}

/* Imports the bootstrap package and lets it prepare the interpreter that all
 * functions start from. Returns 0, or an FAAS_E code after printing the reason. */
EXPORT("faas_boot") int32_t guest_boot(void) {
    PyGC_Disable(); /* imported modules stay: collecting in between would free almost nothing */
    PyObject *boot = PyImport_ImportModule("_faas_boot");
    PyObject *done = boot ? PyObject_CallMethod(boot, "boot", NULL) : NULL;
    if (done) {
        boot_compile = PyObject_GetAttrString(boot, "compile_source");
        boot_deploy = PyObject_GetAttrString(boot, "deploy");
        boot_run = PyObject_GetAttrString(boot, "run");
        boot_resume = PyObject_GetAttrString(boot, "resume");
    }
    Py_XDECREF(done);
    Py_XDECREF(boot);
    PyGC_Enable();
    if (!boot_compile || !boot_deploy || !boot_run || !boot_resume || faas_settle(1) < 0) {
        PyErr_Print();
        return FAAS_E_PYTHON;
    }
    return 0;
}

/* Adds room to the heap: the memory grows by n bytes, which become one free
 * chunk of malloc, without a page of it being touched. A memory that has grown
 * during a run cannot shrink, so this is done before the image is taken.
 * Returns 0, or FAAS_E_MEMORY. */
EXPORT("faas_pregrow") int32_t guest_pregrow(int32_t n) {
    char *volatile p = malloc((size_t)n); /* volatile: the pair must not be elided */
    if (!p) return FAAS_E_MEMORY;
    size_t room = malloc_usable_size(p);
    free(p);
    /* If the chunk has become part of the rest of the heap, the header of what followed it has
     * no meaning any more, and nothing reads the marker at the end of the heap: two pages that
     * each run would have restored. */
    char *volatile q = malloc((size_t)n + 64);
    if (q == p) {
        memset(p + room, 0, sizeof(size_t));
        memset((char *)(__builtin_wasm_memory_size(0) << 16) - 64, 0, 64);
    }
    room = q ? malloc_usable_size(q) : 0;
    free(q);
    if (q == p) memset(q + room, 0, sizeof(size_t));
    return 0;
}

/* Requests an input of a known length from the host. */
static PyObject *input(int32_t op, int32_t len) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, len);
    if (!bytes) return NULL;
    int32_t got = faas_call(op, NULL, 0, PyBytes_AS_STRING(bytes), len);
    if (got != len) {
        Py_DECREF(bytes);
        PyErr_SetString(PyExc_SystemError, "the host did not deliver the input");
        return NULL;
    }
    return bytes;
}

static int32_t send(int32_t op, const char *p, Py_ssize_t n) {
    return faas_call(op, p, (int32_t)n, NULL, 0) < 0 ? FAAS_E_HOST : 0;
}

/* Sends the host what the run waits for: a timer. */
static int32_t wait_for(long long nanoseconds) {
    const __wasi_subscription_t timer = {
        .u = {.tag = __WASI_EVENTTYPE_CLOCK,
              .u.clock = {.id = __WASI_CLOCKID_MONOTONIC, .timeout = (__wasi_timestamp_t)nanoseconds}}};
    int32_t rc = send(FAAS_OP_WAIT, (const char *)&timer, sizeof timer);
    return rc < 0 ? rc : FAAS_WAITS;
}

/* Sends the outcome of a call to the host. The bootstrap returns bytes for a
 * result, a tuple of one bytes for a failure, and an int for nanoseconds that the
 * run waits. If it could not even do that, this reports the escaped exception as
 * well as it can without allocating. */
static int32_t deliver(PyObject *outcome) {
    int32_t rc;
    if (outcome && PyLong_CheckExact(outcome)) {
        rc = wait_for(PyLong_AsLongLong(outcome));
    } else if (outcome && PyBytes_CheckExact(outcome)) {
        rc = send(FAAS_OP_RESULT, PyBytes_AS_STRING(outcome), PyBytes_GET_SIZE(outcome));
    } else if (outcome && PyTuple_CheckExact(outcome) && PyTuple_GET_SIZE(outcome) == 1 &&
               PyBytes_CheckExact(PyTuple_GET_ITEM(outcome, 0))) {
        PyObject *failure = PyTuple_GET_ITEM(outcome, 0);
        rc = send(FAAS_OP_FAILURE, PyBytes_AS_STRING(failure), PyBytes_GET_SIZE(failure));
    } else {
        static const char memory[] = "{\"class\":\"memory\",\"type\":\"MemoryError\",\"message\":\"\"}";
        static const char broken[] =
            "{\"class\":\"error\",\"message\":\"the function ended in an error that could not be described\"}";
        if (PyErr_ExceptionMatches(PyExc_MemoryError))
            rc = send(FAAS_OP_FAILURE, memory, sizeof memory - 1);
        else
            rc = send(FAAS_OP_FAILURE, broken, sizeof broken - 1);
        PyErr_Clear();
    }
    Py_XDECREF(outcome);
    return rc;
}

enum { MAX_INPUTS = 3 };

/* Calls a function of the bootstrap with inputs of consecutive operations. */
static PyObject *call_boot(PyObject *callable, int32_t first_op, const int32_t *len, int n) {
    PyObject *args[MAX_INPUTS];
    PyObject *outcome = NULL;
    int got = 0;
    while (got < n && (args[got] = input(first_op + got, len[got]))) got++;
    if (got == n) outcome = PyObject_Vectorcall(callable, args, n, NULL);
    while (got > 0) Py_DECREF(args[--got]);
    return outcome;
}

/* Compiles the function's source. The result is code for faas_deploy. The
 * memory afterwards is full of the compiler's leftovers and must not be used. */
EXPORT("faas_compile") int32_t guest_compile(int32_t name_len, int32_t source_len) {
    const int32_t len[] = {name_len, source_len};
    return deliver(call_boot(boot_compile, FAAS_OP_NAME, len, 2));
}

/* Runs the module body of compiled code and checks its main. The memory
 * afterwards is the function's image. */
EXPORT("faas_deploy") int32_t guest_deploy(int32_t name_len, int32_t source_len, int32_t code_len) {
    const int32_t len[] = {name_len, source_len, code_len};
    faas_gather();
    PyObject *outcome = call_boot(boot_deploy, FAAS_OP_NAME, len, 3);
    if (outcome && faas_settle(0) < 0) Py_CLEAR(outcome);
    /* Runs seed both generators again on use. */
    faas_renew();
    sqlite3_randomness(0, NULL);
    return deliver(outcome);
}

/* Calls main(args, context) of the deployed function, or continues the run that
 * waits. Both are one function of the module, so that they use one native stack. */
EXPORT("faas_run") int32_t guest_run(int32_t args_len, int32_t context_len) {
    if (args_len == FAAS_RESUME) return deliver(PyObject_CallNoArgs(boot_resume));
    const int32_t len[] = {args_len, context_len};
    return deliver(call_boot(boot_run, FAAS_OP_ARGS, len, 2));
}
