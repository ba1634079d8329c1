/*
 * hist - how values are spread: a histogram with fixed bounds.
 *
 * Counting is a few comparisons and two additions, and allocates nothing.
 * Values are whole numbers of a small unit; people get them in a base unit.
 */
#ifndef DAEMON_MASTER_HIST_H
#define DAEMON_MASTER_HIST_H

#include <stddef.h>
#include <stdint.h>

#define HIST_BOUNDS_MAX	18

/* Where a bucket ends, the bound included; a last one takes all above. */
struct hist_scale {
	double		 unit;		/* of a value, in base units: 1e-3 s */
	size_t		 nbounds;
	uint64_t	 bound[HIST_BOUNDS_MAX]; /* rising */
};

struct hist {
	uint64_t	 count[HIST_BOUNDS_MAX + 1]; /* of each bucket alone */
	uint64_t	 sum;
};

extern const struct hist_scale hist_task_ms;	/* 10 ms to 1 h */
extern const struct hist_scale hist_commit_us;	/* 100 us to 2.5 s */
extern const struct hist_scale hist_batch;	/* 1 to 512 operations */

void	hist_add(struct hist *, const struct hist_scale *, uint64_t value);
uint64_t
	hist_total(const struct hist *);

/*
 * An estimate in base units, as if values were evenly spread inside their
 * bucket; what lies above the last bound counts as that bound.  -1: empty.
 */
double	hist_quantile(const struct hist *, const struct hist_scale *,
	    double q);

#endif
