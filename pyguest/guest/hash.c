/* Block functions of MD5 and the SHA family, computed by the host.
 *
 * The host has the processor's instructions for them, which WebAssembly has
 * not: it is several times as fast. Padding, streaming and all of Python's
 * interface stay with CPython, whose block functions call here; see
 * ../build/patches/host-hashes.patch.
 */
#include <stdint.h>

#include "protocol.h"

__attribute__((import_module("faas"), import_name("hash"))) extern int32_t
faas_hash(int32_t algorithm, void *state, const void *blocks, int32_t len);

/* What one call may hash at most, in bytes: some tens of microseconds, as the
 * host cannot end a run within a call. A multiple of all block sizes. */
enum { HASH_CHUNK = 16 * 1024 };

void faas_hash_blocks(int32_t algorithm, void *state, const uint8_t *blocks, uint32_t len) {
    while (len > 0) {
        uint32_t n = len < HASH_CHUNK ? len : HASH_CHUNK;
        /* Refused is a range outside of memory alone, which is a bug here. */
        if (faas_hash(algorithm, state, blocks, (int32_t)n) != 0) __builtin_trap();
        blocks += n;
        len -= n;
    }
}
