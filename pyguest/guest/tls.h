#ifndef FAAS_TLS_H
#define FAAS_TLS_H

#include <Python.h>

/* Adds the function tls to the module _faas. Returns 0, or -1 with an exception set. */
int faas_add_tls(PyObject *module);

#endif
