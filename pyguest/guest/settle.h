#ifndef FAAS_SETTLE_H
#define FAAS_SETTLE_H

#include <Python.h>

/* Arranges the heap so that later code writes to few pages: see settle.c.
 * for_good: never free any object that exists now. Right for the standard
 * library; not for a function's own objects, which the function may want to
 * free. Returns 0, or -1 with an exception set. */
int faas_settle(int for_good);

/* Lets the objects of a module that is about to run, as far as they are few, lie
 * beside those of its later runs. */
void faas_gather(void);

#endif
