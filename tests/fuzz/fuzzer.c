/* fuzzer.c - libFuzzer's way into targets.h; compiled once for each target with -DFUZZ_TARGET=config, say.
 *
 * It has no main: libFuzzer brings its own, and scripts/fuzz builds and runs it. */
#define _GNU_SOURCE /* nftw, memmem */
#include "tests/fuzz/targets.h"

#define JOIN(a, b)   a##b
#define RUN_OF(name) JOIN(fuzz_, name)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    (void)fuzz_targets;
    fuzz_begin();
    atexit(fuzz_end);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    RUN_OF(FUZZ_TARGET)(bytes, size);
    return 0;
}
