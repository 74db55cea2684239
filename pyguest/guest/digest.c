/* What OpenSSL adds to Python's hashlib on Linux: more digests, PBKDF2 and scrypt.
 *
 * All loops run in the guest, where the instrumenter puts a checkpoint into each of
 * them: a deadline or a cancellation ends a long derivation. The memory that scrypt
 * takes is the guest's own and counts against the memory limit of the run. Blocks
 * of MD5 and the SHA family are hashed by the host.
 */
#define PY_SSIZE_T_CLEAN
#include "digest.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "protocol.h"

void faas_hash_blocks(int32_t algorithm, void *state, const uint8_t *blocks, uint32_t len);

enum { MAX_BLOCK = 128, MAX_SIZE = 64 };

typedef union {
    uint32_t w32[8];
    uint64_t w64[8];
} State;

/* An algorithm of the Merkle-Damgard construction. host is its number for
 * faas_hash_blocks; 0 if compress does the work here. */
typedef struct {
    const char *name;
    uint8_t size, block, word; /* bytes of the digest, of a block, of a word of the state */
    uint8_t little_endian;
    int32_t host;
    void (*compress)(uint32_t *state, const uint8_t *block);
    State initial;
} Algorithm;

static uint32_t left32(uint32_t x, unsigned n) { return x << n | x >> ((32 - n) & 31); }
static uint32_t load32le(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }
static uint32_t load32be(const uint8_t *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }

/* RIPEMD-160, by Dobbertin, Bosselaers and Preneel. */
static uint32_t ripemd_mix(int round, uint32_t x, uint32_t y, uint32_t z) {
    switch (round) {
    case 0: return x ^ y ^ z;
    case 1: return (x & y) | (~x & z);
    case 2: return (x | ~y) ^ z;
    case 3: return (x & z) | (y & ~z);
    default: return x ^ (y | ~z);
    }
}

static void ripemd_line(uint32_t s[5], const uint32_t x[16], const uint8_t *word, const uint8_t *shift,
                            const uint32_t *constant, int reversed) {
    for (int i = 0; i < 80; i++) {
        int round = i / 16;
        uint32_t t = s[0] + ripemd_mix(reversed ? 4 - round : round, s[1], s[2], s[3]) + x[word[i]] + constant[round];
        t = left32(t, shift[i]) + s[4];
        s[0] = s[4];
        s[4] = s[3];
        s[3] = left32(s[2], 10);
        s[2] = s[1];
        s[1] = t;
    }

}

static void ripemd160(uint32_t *state, const uint8_t *block) {
    static const uint8_t word[2][80] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9,
         5, 2, 14, 11, 8, 3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12, 1, 9, 11, 10, 0, 8,
         12, 4, 13, 3, 7, 15, 14, 5, 6, 2, 4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13},
        {5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8,
         12, 4, 9, 1, 2, 15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13, 8, 6, 4, 1, 3, 11,
         15, 0, 5, 12, 2, 13, 9, 7, 10, 14, 12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11}};
    static const uint8_t shift[2][80] = {
        {11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8, 7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15,
         9, 11, 7, 13, 12, 11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5, 11, 12, 14, 15, 14, 15,
         9, 8, 9, 14, 5, 6, 8, 6, 5, 12, 9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6},
        {8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6, 9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12,
         7, 6, 15, 13, 11, 9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5, 15, 5, 8, 11, 14, 14,
         6, 14, 6, 9, 12, 9, 12, 5, 15, 8, 8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11}};
    static const uint32_t constant[2][5] = {{0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e},
                                            {0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0}};
    uint32_t x[16], l[5], r[5];
    for (int i = 0; i < 16; i++) x[i] = load32le(block + 4 * i);
    memcpy(l, state, sizeof l);
    memcpy(r, state, sizeof r);
    ripemd_line(l, x, word[0], shift[0], constant[0], 0);
    ripemd_line(r, x, word[1], shift[1], constant[1], 1);
    uint32_t t = state[1] + l[2] + r[3];
    state[1] = state[2] + l[3] + r[4];
    state[2] = state[3] + l[4] + r[0];
    state[3] = state[4] + l[0] + r[1];
    state[4] = state[0] + l[1] + r[2];
    state[0] = t;
}

/* SM3, GB/T 32905-2016. */
static void sm3(uint32_t *state, const uint8_t *block) {
    uint32_t w[68], s[8];
    for (int i = 0; i < 16; i++) w[i] = load32be(block + 4 * i);
    for (int i = 16; i < 68; i++) {
        uint32_t t = w[i - 16] ^ w[i - 9] ^ left32(w[i - 3], 15);
        w[i] = t ^ left32(t, 15) ^ left32(t, 23) ^ left32(w[i - 13], 7) ^ w[i - 6];
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a12 = left32(s[0], 12);
        uint32_t ss1 = left32(a12 + s[4] + left32(i < 16 ? 0x79cc4519 : 0x7a879d8a, i % 32), 7);
        uint32_t ff = i < 16 ? s[0] ^ s[1] ^ s[2] : (s[0] & s[1]) | (s[0] & s[2]) | (s[1] & s[2]);
        uint32_t gg = i < 16 ? s[4] ^ s[5] ^ s[6] : (s[4] & s[5]) | (~s[4] & s[6]);
        uint32_t t1 = ff + s[3] + (ss1 ^ a12) + (w[i] ^ w[i + 4]);
        uint32_t t2 = gg + s[7] + ss1 + w[i];
        s[3] = s[2];
        s[2] = left32(s[1], 9);
        s[1] = s[0];
        s[0] = t1;
        s[7] = s[6];
        s[6] = left32(s[5], 19);
        s[5] = s[4];
        s[4] = t2 ^ left32(t2, 9) ^ left32(t2, 17);
    }
    for (int i = 0; i < 8; i++) state[i] ^= s[i];
}

static const Algorithm algorithms[] = {
    {"md5", 16, 64, 4, 1, FAAS_HASH_MD5, NULL, {.w32 = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}}},
    {"sha1", 20, 64, 4, 0, FAAS_HASH_SHA1, NULL, {.w32 = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}}},
    {"sha224", 28, 64, 4, 0, FAAS_HASH_SHA256, NULL,
     {.w32 = {0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939, 0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4}}},
    {"sha256", 32, 64, 4, 0, FAAS_HASH_SHA256, NULL,
     {.w32 = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}}},
    {"sha384", 48, 128, 8, 0, FAAS_HASH_SHA512, NULL,
     {.w64 = {0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939, 0x67332667ffc00b31,
              0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4}}},
    {"sha512", 64, 128, 8, 0, FAAS_HASH_SHA512, NULL,
     {.w64 = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1,
              0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179}}},
    {"sha512_224", 28, 128, 8, 0, FAAS_HASH_SHA512, NULL,
     {.w64 = {0x8c3d37c819544da2, 0x73e1996689dcd4d6, 0x1dfab7ae32ff9c82, 0x679dd514582f9fcf, 0x0f6d2b697bd44da8,
              0x77e36f7304c48942, 0x3f9d85a86a1d36c8, 0x1112e6ad91d692a1}}},
    {"sha512_256", 32, 128, 8, 0, FAAS_HASH_SHA512, NULL,
     {.w64 = {0x22312194fc2bf72c, 0x9f555fa3c84c64c2, 0x2393b86b6f53b151, 0x963877195940eabd, 0x96283ee2a88effe3,
              0xbe5e1e2553863992, 0x2b0199fc2c85b8aa, 0x0eb72ddc81c52ca2}}},
    {"ripemd160", 20, 64, 4, 1, 0, ripemd160, {.w32 = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}}},
    {"sm3", 32, 64, 4, 0, 0, sm3,
     {.w32 = {0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e}}},
};

static const Algorithm *find(const char *name) {
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (!strcmp(algorithms[i].name, name)) return &algorithms[i];
    return NULL;
}

/* A digest in progress. */
typedef struct {
    const Algorithm *algorithm;
    State state;
    uint64_t length; /* bytes so far */
    uint8_t rest[MAX_BLOCK];
} Stream;

static void blocks(const Algorithm *a, State *state, const uint8_t *p, size_t n) {
    if (a->host) {
        faas_hash_blocks(a->host, state, p, (uint32_t)n);
        return;
    }
    for (; n > 0; p += a->block, n -= a->block) a->compress(state->w32, p);
}

static void start(Stream *s, const Algorithm *a) {
    s->algorithm = a;
    s->state = a->initial;
    s->length = 0;
}

static void update(Stream *s, const uint8_t *p, size_t n) {
    size_t block = s->algorithm->block, have = s->length % block;
    s->length += n;
    if (have > 0 && have + n >= block) {
        memcpy(s->rest + have, p, block - have);
        blocks(s->algorithm, &s->state, s->rest, block);
        p += block - have;
        n -= block - have;
        have = 0;
    }
    if (have == 0 && n >= block) {
        size_t whole = n / block * block;
        blocks(s->algorithm, &s->state, p, whole);
        p += whole;
        n -= whole;
    }
    if (n > 0) memcpy(s->rest + have, p, n);
}

static void put_state(const Algorithm *a, const State *state, uint8_t *out) {
    for (unsigned i = 0; i < a->size; i++) {
        unsigned within = i % a->word, shift = 8 * (a->little_endian ? within : a->word - 1 - within);
        out[i] = (uint8_t)(a->word == 8 ? state->w64[i / 8] >> shift : state->w32[i / 4] >> shift);
    }
}

/* Writes the digest to out. The stream is used up. */
static void finish(Stream *s, uint8_t *out) {
    const Algorithm *a = s->algorithm;
    uint64_t bits = s->length * 8;
    uint8_t end[2 * MAX_BLOCK] = {0x80};
    size_t length_field = a->word == 8 ? 16 : 8, have = s->length % a->block;
    size_t n = (have + 1 + length_field <= a->block ? a->block : 2 * a->block) - have;
    for (int i = 0; i < 8; i++) {
        if (a->little_endian) end[n - 8 + i] = (uint8_t)(bits >> (8 * i));
        else end[n - 1 - i] = (uint8_t)(bits >> (8 * i));
    }
    update(s, end, n);
    put_state(a, &s->state, out);
}

/* The two states of HMAC after the block of the key. */
typedef struct {
    const Algorithm *algorithm;
    State inner, outer;
} Hmac;

static void hmac_key(Hmac *h, const Algorithm *a, const uint8_t *key, size_t n) {
    uint8_t pad[MAX_BLOCK] = {0};
    if (n > a->block) {
        Stream s;
        start(&s, a);
        update(&s, key, n);
        finish(&s, pad);
    } else if (n > 0) {
        memcpy(pad, key, n);
    }
    h->algorithm = a;
    h->inner = h->outer = a->initial;
    for (unsigned i = 0; i < a->block; i++) pad[i] ^= 0x36;
    blocks(a, &h->inner, pad, a->block);
    for (unsigned i = 0; i < a->block; i++) pad[i] ^= 0x36 ^ 0x5c;
    blocks(a, &h->outer, pad, a->block);
}

static void hmac_start(const Hmac *h, const State *state, Stream *s) {
    s->algorithm = h->algorithm;
    s->state = *state;
    s->length = h->algorithm->block;
}

static void hmac_outer(const Hmac *h, uint8_t *digest) {
    Stream s;
    hmac_start(h, &h->outer, &s);
    update(&s, digest, h->algorithm->size);
    finish(&s, digest);
}

/* PBKDF2 of RFC 8018. */
static void pbkdf2(const Algorithm *a, const uint8_t *password, size_t password_len, const uint8_t *salt, size_t salt_len,
                   uint32_t iterations, uint8_t *out, size_t out_len) {
    Hmac h;
    hmac_key(&h, a, password, password_len);
    for (uint32_t number = 1; out_len > 0; number++) {
        uint8_t u[MAX_SIZE], sum[MAX_SIZE];
        uint8_t big_endian[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
        Stream s;
        hmac_start(&h, &h.inner, &s);
        update(&s, salt, salt_len);
        update(&s, big_endian, sizeof big_endian);
        finish(&s, u);
        hmac_outer(&h, u);
        memcpy(sum, u, a->size);
        for (uint32_t i = 1; i < iterations; i++) {
            hmac_start(&h, &h.inner, &s);
            update(&s, u, a->size);
            finish(&s, u);
            hmac_outer(&h, u);
            for (unsigned k = 0; k < a->size; k++) sum[k] ^= u[k];
        }
        size_t n = out_len < a->size ? out_len : a->size;
        memcpy(out, sum, n);
        out += n;
        out_len -= n;
    }
}

/* scrypt of RFC 7914. */
static void salsa20_8(uint32_t b[16]) {
    uint32_t x[16];
    memcpy(x, b, sizeof x);
#define QUARTER(a, b, c, d)          \
    x[b] ^= left32(x[a] + x[d], 7);  \
    x[c] ^= left32(x[b] + x[a], 9);  \
    x[d] ^= left32(x[c] + x[b], 13); \
    x[a] ^= left32(x[d] + x[c], 18)
    for (int i = 0; i < 4; i++) {
        QUARTER(0, 4, 8, 12);
        QUARTER(5, 9, 13, 1);
        QUARTER(10, 14, 2, 6);
        QUARTER(15, 3, 7, 11);
        QUARTER(0, 1, 2, 3);
        QUARTER(5, 6, 7, 4);
        QUARTER(10, 11, 8, 9);
        QUARTER(15, 12, 13, 14);
    }
#undef QUARTER
    for (int i = 0; i < 16; i++) b[i] += x[i];
}

/* Mixes the 2r blocks of b into y: blocks with even numbers first. */
static void block_mix(const uint32_t *b, uint32_t *y, uint32_t r) {
    uint32_t x[16];
    memcpy(x, b + (2 * r - 1) * 16, sizeof x);
    for (uint32_t i = 0; i < 2 * r; i++) {
        for (int k = 0; k < 16; k++) x[k] ^= b[i * 16 + k];
        salsa20_8(x);
        memcpy(y + (i / 2 + (i & 1) * r) * 16, x, sizeof x);
    }
}

/* b: 128 r bytes; v: n times as much; x and y: as much as b each. */
static void ro_mix(uint8_t *b, uint32_t r, uint32_t n, uint32_t *v, uint32_t *x, uint32_t *y) {
    uint32_t words = 32 * r;
    for (uint32_t i = 0; i < words; i++) x[i] = load32le(b + 4 * i);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(v + (size_t)i * words, x, 4 * (size_t)words);
        block_mix(x, y, r);
        uint32_t *t = x;
        x = y;
        y = t;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t *from = v + (size_t)(x[words - 16] & (n - 1)) * words;
        for (uint32_t k = 0; k < words; k++) x[k] ^= from[k];
        block_mix(x, y, r);
        uint32_t *t = x;
        x = y;
        y = t;
    }
    for (uint32_t i = 0; i < words; i++)
        for (int k = 0; k < 4; k++) b[4 * i + k] = (uint8_t)(x[i] >> (8 * k));
}

/* The Python side. */

typedef struct {
    PyObject_HEAD
    Stream stream;
} Digest;

static PyTypeObject digest_type;

static int absorb(Stream *s, PyObject *data) {
    Py_buffer view;
    if (PyUnicode_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "Strings must be encoded before hashing");
        return -1;
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return -1;
    update(s, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return 0;
}

static PyObject *digest_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    const char *name;
    PyObject *data = NULL;
    if (!PyArg_ParseTuple(args, "s|O:Digest", &name, &data)) return NULL;
    const Algorithm *a = find(name);
    if (!a) {
        PyErr_Format(PyExc_ValueError, "unsupported hash type %s", name);
        return NULL;
    }
    Digest *self = PyObject_New(Digest, &digest_type);
    if (!self) return NULL;
    start(&self->stream, a);
    if (data && absorb(&self->stream, data) < 0) Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *digest_update(PyObject *self, PyObject *data) {
    if (absorb(&((Digest *)self)->stream, data) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *digest_digest(PyObject *self, PyObject *unused) {
    Stream copy = ((Digest *)self)->stream;
    uint8_t out[MAX_SIZE];
    finish(&copy, out);
    return PyBytes_FromStringAndSize((const char *)out, copy.algorithm->size);
}

static PyObject *digest_hexdigest(PyObject *self, PyObject *unused) {
    PyObject *bytes = digest_digest(self, NULL);
    PyObject *text = bytes ? PyObject_CallMethod(bytes, "hex", NULL) : NULL;
    Py_XDECREF(bytes);
    return text;
}

static PyObject *digest_copy(PyObject *self, PyObject *unused) {
    Digest *copy = PyObject_New(Digest, &digest_type);
    if (copy) copy->stream = ((Digest *)self)->stream;
    return (PyObject *)copy;
}

static PyObject *digest_name(PyObject *self, void *unused) {
    return PyUnicode_FromString(((Digest *)self)->stream.algorithm->name);
}

static PyObject *digest_size(PyObject *self, void *unused) {
    return PyLong_FromLong(((Digest *)self)->stream.algorithm->size);
}

static PyObject *digest_block(PyObject *self, void *unused) {
    return PyLong_FromLong(((Digest *)self)->stream.algorithm->block);
}

static PyObject *digest_repr(PyObject *self) {
    return PyUnicode_FromFormat("<%s hash object at %p>", ((Digest *)self)->stream.algorithm->name, self);
}

static PyMethodDef digest_methods[] = {
    {"update", digest_update, METH_O, NULL},
    {"digest", digest_digest, METH_NOARGS, NULL},
    {"hexdigest", digest_hexdigest, METH_NOARGS, NULL},
    {"copy", digest_copy, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef digest_attributes[] = {
    {.name = "name", .get = digest_name},
    {.name = "digest_size", .get = digest_size},
    {.name = "block_size", .get = digest_block},
    {.name = NULL},
};

static PyTypeObject digest_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_hashlib.HASH",
    .tp_basicsize = sizeof(Digest),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = digest_new,
    .tp_repr = digest_repr,
    .tp_methods = digest_methods,
    .tp_getset = digest_attributes,
};

/* pbkdf2_hmac(name, password, salt, iterations, length) for an algorithm of the table. */
static PyObject *py_pbkdf2(PyObject *module, PyObject *args) {
    const char *name;
    Py_buffer password, salt;
    long iterations, length;
    if (!PyArg_ParseTuple(args, "sy*y*ll:pbkdf2_hmac", &name, &password, &salt, &iterations, &length)) return NULL;
    const Algorithm *a = find(name);
    PyObject *out = NULL;
    if (!a) PyErr_Format(PyExc_ValueError, "unsupported hash type %s", name);
    else if (iterations < 1 || length < 1) PyErr_SetString(PyExc_ValueError, "iterations and length must be positive");
    else out = PyBytes_FromStringAndSize(NULL, length);
    if (out)
        pbkdf2(a, password.buf, (size_t)password.len, salt.buf, (size_t)salt.len, (uint32_t)iterations,
               (uint8_t *)PyBytes_AS_STRING(out), (size_t)length);
    PyBuffer_Release(&password);
    PyBuffer_Release(&salt);
    return out;
}

/* scrypt(password, salt, n, r, p, length) with parameters that the caller has checked, but for memory. */
static PyObject *py_scrypt(PyObject *module, PyObject *args) {
    Py_buffer password, salt;
    unsigned long n, r, p;
    long length;
    if (!PyArg_ParseTuple(args, "y*y*kkkl:scrypt", &password, &salt, &n, &r, &p, &length)) return NULL;
    const Algorithm *sha256 = find("sha256");
    PyObject *out = NULL;
    uint8_t *memory = NULL;
    uint64_t lane = 128 * (uint64_t)r;
    uint64_t bytes = r > 0 && n <= UINT32_MAX / lane && p <= UINT32_MAX / lane ? lane * n + lane * p + 2 * lane : UINT64_MAX;
    if (n < 2 || n & (n - 1) || !r || !p || length < 1) {
        PyErr_SetString(PyExc_ValueError, "Invalid parameter combination for n, r, p, maxmem.");
    } else if (bytes > (uint64_t)PY_SSIZE_T_MAX || !(memory = PyMem_RawMalloc((size_t)bytes))) {
        PyErr_NoMemory();
    } else if ((out = PyBytes_FromStringAndSize(NULL, length))) {
        uint8_t *b = memory;
        uint32_t *x = (uint32_t *)(b + lane * p), *y = x + 32 * r, *v = y + 32 * r;
        pbkdf2(sha256, password.buf, (size_t)password.len, salt.buf, (size_t)salt.len, 1, b, (size_t)(lane * p));
        for (unsigned long i = 0; i < p; i++) ro_mix(b + lane * i, (uint32_t)r, (uint32_t)n, v, x, y);
        pbkdf2(sha256, password.buf, (size_t)password.len, b, (size_t)(lane * p), 1, (uint8_t *)PyBytes_AS_STRING(out),
               (size_t)length);
    }
    PyMem_RawFree(memory);
    PyBuffer_Release(&password);
    PyBuffer_Release(&salt);
    return out;
}

static PyMethodDef functions[] = {
    {"pbkdf2_hmac", py_pbkdf2, METH_VARARGS, NULL},
    {"scrypt", py_scrypt, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int faas_add_digests(PyObject *module) {
    if (PyModule_AddFunctions(module, functions) < 0) return -1;
    return PyModule_AddType(module, &digest_type);
}
