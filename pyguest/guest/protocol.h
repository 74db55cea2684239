/* The numbers of the protocol between host and guest. The host defines the same
 * numbers in pyguest/protocol.go; pyguest/PROTOCOL.md describes the protocol. */
#ifndef FAAS_PROTOCOL_H
#define FAAS_PROTOCOL_H

/* Increased with every change that an older host or guest would misunderstand. */
#define FAAS_PROTOCOL_VERSION 4

/* Operations of faas.call. */
#define FAAS_OP_NAME 1    /* guest reads the function's name */
#define FAAS_OP_SOURCE 2  /* guest reads the function's source */
#define FAAS_OP_CODE 3    /* guest reads the function's code, the result of faas_compile */
#define FAAS_OP_ARGS 4    /* guest reads the run's args, JSON */
#define FAAS_OP_CONTEXT 5 /* guest reads the function's context, JSON */
#define FAAS_OP_RESULT 6  /* guest sends the result: JSON, or code */
#define FAAS_OP_FAILURE 7 /* guest sends the failure, JSON */
#define FAAS_OP_WAIT 8    /* guest sends the events that the run waits for, as subscriptions of poll_oneoff */

/* Algorithms of faas.hash. */
#define FAAS_HASH_MD5 1
#define FAAS_HASH_SHA1 2
#define FAAS_HASH_SHA256 3 /* and SHA-224 */
#define FAAS_HASH_SHA512 4 /* and SHA-384 */

/* In place of the length of the args: faas_run is to continue the run that waits. */
#define FAAS_RESUME (-1)

/* Return value of faas_run if the run waits for what it has sent with FAAS_OP_WAIT. */
#define FAAS_WAITS 1

/* Return values of exported functions that fail. */
#define FAAS_E_PYTHON (-1) /* Python could not start; stderr has the reason */
#define FAAS_E_MEMORY (-2) /* no memory */
#define FAAS_E_HOST (-3)   /* the host refused an operation */

#endif
