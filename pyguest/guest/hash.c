/* Block functions of MD5 and the SHA family, computed by the host.
 *
 * The host can use the processor's instructions for them, which WebAssembly
 * lacks: it is several times as fast. CPython still does the padding and
 * streaming and has all of Python's interface; its block functions call here, see
 * ../build/patches/host-hashes.patch.
 */
#include <stdint.h>

#include "protocol.h"

__attribute__((import_module("faas"), import_name("hash"))) extern int32_t
faas_hash(int32_t algorithm, void *state, const void *blocks, int32_t len);

/* The largest number of bytes that one call hashes: some tens of microseconds,
 * because the host cannot end a run within a call. A multiple of all block sizes. */
enum { HASH_CHUNK = 16 * 1024 };

void faas_hash_blocks(int32_t algorithm, void *state, const uint8_t *blocks, uint32_t len) {
    while (len > 0) {
        uint32_t n = len < HASH_CHUNK ? len : HASH_CHUNK;
        /* The host refuses only ranges outside of memory, which would be a bug here. */
        if (faas_hash(algorithm, state, blocks, (int32_t)n) != 0) __builtin_trap();
        blocks += n;
        len -= n;
    }
}
