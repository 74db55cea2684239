#ifndef FAAS_DIGEST_H
#define FAAS_DIGEST_H

#include <Python.h>

/* Adds the type HASH and the functions pbkdf2_hmac and scrypt to the module
 * _faas. Returns 0, or -1 with an exception set. */
int faas_add_digests(PyObject *module);

#endif
