/* Exceptions of what functions do not have. The words are in ../bootstrap/_faas_boot/absent.py;
 * CPython's patches (../build/patches) declare these functions themselves.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyObject *faas_absent_text(const char *name);
PyObject *faas_absent_attribute(PyObject *module, PyObject *name);
PyObject *faas_endless_wait(void);

/* The module with the words, if it is imported. Sets no exception. */
static PyObject *words(void) {
    PyObject *name = PyUnicode_FromString("_faas_boot.absent");
    PyObject *module = name ? PyImport_GetModule(name) : NULL;
    Py_XDECREF(name);
    if (!module) PyErr_Clear();
    return module;
}

/* Returns one of the sentences, or NULL without an exception. */
PyObject *faas_absent_text(const char *name) {
    PyObject *module = words();
    PyObject *text = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    if (text && !PyUnicode_Check(text)) Py_CLEAR(text);
    PyErr_Clear();
    return text;
}

/* Returns why functions lack an attribute of a module, or NULL without an exception. */
PyObject *faas_absent_attribute(PyObject *module, PyObject *name) {
    PyObject *absent = words();
    PyObject *text = absent ? PyObject_CallMethod(absent, "attribute", "OO", module, name) : NULL;
    Py_XDECREF(absent);
    if (text && !(PyUnicode_Check(text) && PyUnicode_GET_LENGTH(text) > 0)) Py_CLEAR(text);
    PyErr_Clear();
    return text;
}

/* Raises the exception of a wait that nothing can end. */
PyObject *faas_endless_wait(void) {
    PyObject *text = faas_absent_text("ENDLESS_WAIT");
    if (text) PyErr_SetObject(PyExc_RuntimeError, text);
    else PyErr_SetString(PyExc_RuntimeError, "this wait cannot end");
    Py_XDECREF(text);
    return NULL;
}
