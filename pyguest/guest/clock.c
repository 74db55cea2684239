/* The clock of computing time, which the C library for WASI replaces by the time that has passed.
 *
 * The definitions of clock and __clock take the place of the emulation's; times and getrusage call
 * them.
 */
#include <stdint.h>
#include <time.h>
#include <wasi/api.h>

/* The nanoseconds that this run has computed. */
int64_t faas_cpu_time(void) {
    __wasi_timestamp_t now;
    return __wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 1, &now) == 0 ? (int64_t)now : 0;
}

clock_t __clock(void) {
    return faas_cpu_time();
}

clock_t clock(void) {
    return faas_cpu_time();
}
