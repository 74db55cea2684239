/* The module _faas: what the bootstrap needs from C, and the renewal of a run.
 *
 * Python's shared random generator would start each run with the image's state,
 * so it gets a fresh one, on first use: a run that needs no random numbers does not
 * write to its 2.5 KB. Seeding it the usual way, and drawing all of its 624 words
 * from the host, both take longer than a trivial run: 256
 * bits from the host are expanded by xoshiro256** (Blackman and Vigna,
 * https://prng.di.unimi.it/xoshiro256starstar.c). The Mersenne Twister is not
 * a secret generator either; os.urandom, and so secrets, call the host.
 */
#define PY_SSIZE_T_CLEAN
#include "renewal.h"

#include <stdint.h>
#include <wasi/api.h>

#include "digest.h"
#include "linux.h"
#include "names.h"
#include "tls.h"

/* CPython's RandomObject, from its Modules/_randommodule.c. */
enum { WORDS = 624 };
typedef struct {
    PyObject_HEAD
    int index;
    uint32_t state[WORDS];
} Generator;

static Generator *shared;

/* Compares the layout above with the state that the generator reports. */
static int laid_out_as_known(PyObject *generator, PyObject *state) {
    if (Py_TYPE(generator)->tp_basicsize < (Py_ssize_t)sizeof(Generator) || PyTuple_GET_SIZE(state) != WORDS + 1) return 0;
    const Generator *g = (const Generator *)generator;
    for (int i = 0; i < WORDS; i++)
        if (PyLong_AsUnsignedLong(PyTuple_GET_ITEM(state, i)) != g->state[i]) return 0;
    return PyLong_AsLong(PyTuple_GET_ITEM(state, WORDS)) == g->index;
}

static PyObject *share(PyObject *module, PyObject *args) {
    PyObject *generator, *state;
    if (!PyArg_ParseTuple(args, "OO!:share", &generator, &PyTuple_Type, &state)) return NULL;
    if (!laid_out_as_known(generator, state)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "the generator is not laid out as _faas expects");
        return NULL;
    }
    shared = (Generator *)Py_NewRef(generator);
    Py_RETURN_NONE;
}

static PyObject *set_mode(PyObject *module, PyObject *args) {
    unsigned long long device, inode;
    unsigned mode;
    if (!PyArg_ParseTuple(args, "KKI:set_mode", &device, &inode, &mode)) return NULL;
    if (faas_set_mode(device, inode, mode) < 0) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *set_umask(PyObject *module, PyObject *args) {
    unsigned mask;
    if (!PyArg_ParseTuple(args, "I:umask", &mask)) return NULL;
    return PyLong_FromUnsignedLong(faas_umask(mask));
}

/* Of CPython's textio.c, as patched: whether a stream with a buffer was written to. */
extern int faas_wrote;

static PyObject *wrote(PyObject *module, PyObject *unused) { return PyBool_FromLong(faas_wrote); }

static PyMethodDef methods[] = {
    {"share", share, METH_VARARGS,
     "share(generator, state): the generator that every run finds renewed, and its state as _random.Random.getstate gives it"},
    {"wrote", wrote, METH_NOARGS, "wrote(): whether the run has written to a stream that may have it in a buffer"},
    {"set_mode", set_mode, METH_VARARGS, "set_mode(device, inode, mode): the permission bits that os.stat reports for a file"},
    {"look_up", faas_look_up, METH_VARARGS, "look_up(host, family): begin to look up a name; the descriptor to wait for, or None"},
    {"answer", faas_answer, METH_VARARGS, "answer(descriptor): the look-up from which getaddrinfo takes addresses; -1: none"},
    {"umask", set_umask, METH_VARARGS, "umask(mask): set the mask of new files, and return the previous one"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_faas", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__faas(void) {
    PyObject *module = PyModule_Create(&definition);
    if (module && (faas_add_digests(module) < 0 || faas_add_tls(module) < 0)) Py_CLEAR(module);
    return module;
}

static uint64_t rotated(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

/* Called by the generator itself, at its first use after faas_renew. n is even. */
void faas_draw_words(uint32_t *words, int n) {
    uint64_t s[4];
    if (__wasi_random_get((uint8_t *)s, sizeof s) != 0) Py_FatalError("the host has no randomness");
    for (int i = 0; i < n; i += 2) {
        uint64_t next = rotated(s[1] * 5, 7) * 9;
        uint64_t t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotated(s[3], 45);
        words[i] = (uint32_t)next;
        words[i + 1] = (uint32_t)(next >> 32);
    }
}

void faas_renew(void) {
    shared->index = WORDS + 1;
    faas_wrote = 0;
}
