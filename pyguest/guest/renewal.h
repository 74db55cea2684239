#ifndef FAAS_RENEWAL_H
#define FAAS_RENEWAL_H

#include <Python.h>

PyMODINIT_FUNC PyInit__faas(void);

/* Makes Python's shared random generator draw a fresh state at its next use, and
 * marks the output as flushed. Called before an image is taken, after _faas.share. */
void faas_renew(void);

#endif
