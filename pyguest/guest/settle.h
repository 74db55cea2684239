#ifndef FAAS_SETTLE_H
#define FAAS_SETTLE_H

#include <Python.h>

/* Arranges the heap so that what comes next writes to few pages: see settle.c.
 * for_good: all objects that exist now are never to be freed. Right for the
 * standard library; not for a function's own objects, as their owner may want
 * them to go. Returns 0, or -1 with an exception set. */
int faas_settle(int for_good);

#endif
