/* spin.h - how long a thread that waits for the others keeps its core.
 *
 *     int main(int argc, char **argv)
 *     {
 *         tl_spin_briefly(argv);
 *
 * libgomp's threads turn in a loop for milliseconds before they sleep.  On a machine that has something else to do they
 * hold a core while the thread they wait for has none: a step of decoding then takes several times as long.  A few
 * microseconds bridge what lies between two kernels; after that the core is free. */
#ifndef TL_BASE_SPIN_H
#define TL_BASE_SPIN_H

/* Where the environment says nothing about it (GOMP_SPINCOUNT, OMP_WAIT_POLICY), start this program again with a short
 * wait: libgomp reads it before main.  Call it first, with main's argv; returns where there is nothing to do, or where
 * the program cannot be found again. */
void tl_spin_briefly(char **argv);

#endif
