/* clock.h - seconds, what the kernel says this process has held, and what there is for it. */
#ifndef TL_BASE_CLOCK_H
#define TL_BASE_CLOCK_H

#include <stddef.h>

/* Seconds of a clock that only goes forward. */
double tl_seconds(void);

/* Peak resident bytes of the process since the last tl_peak_reset, by the kernel's account (VmHWM). */
size_t tl_peak_bytes(void);

/* Start the account again; where the kernel does not allow it, the peak stays that of the whole process. */
void tl_peak_reset(void);

/* Bytes the machine could give without swapping (MemAvailable); 0: not known. */
size_t tl_free_bytes(void);

#endif
