/* Look-ups of names that a loop waits for: functions of the module _faas. */
#ifndef FAAS_NAMES_H
#define FAAS_NAMES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* look_up(host, family): begins to look up a name, and returns a descriptor that is readable once the
 * answer is there, or None if there is nothing to wait for. */
PyObject *faas_look_up(PyObject *module, PyObject *args);
/* answer(descriptor): getaddrinfo takes the addresses of a name from this look-up; -1: from none. */
PyObject *faas_answer(PyObject *module, PyObject *args);

#endif
