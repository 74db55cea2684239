#ifndef FAAS_RENEWAL_H
#define FAAS_RENEWAL_H

#include <Python.h>

PyMODINIT_FUNC PyInit__faas(void);

/* Draws a fresh state for Python's shared random generator. Called at the start
 * of each run, after _faas.share. Returns 0, or -1 if the host has no randomness. */
int faas_renew(void);

#endif
