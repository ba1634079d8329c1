#include "config.h"

#include "daemon/master/hist.h"

const struct hist_scale hist_task_ms = {
	.unit = 1e-3, .nbounds = 16,
	.bound = { 10, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000,
	    60000, 120000, 300000, 600000, 1800000, 3600000 },
};

const struct hist_scale hist_commit_us = {
	.unit = 1e-6, .nbounds = 14,
	.bound = { 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000,
	    100000, 250000, 500000, 1000000, 2500000 },
};

const struct hist_scale hist_batch = {
	.unit = 1, .nbounds = 10,
	.bound = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512 },
};

void
hist_add(struct hist *h, const struct hist_scale *scale, uint64_t value)
{
	size_t i = 0;

	while (i < scale->nbounds && value > scale->bound[i])
		i++;
	h->count[i]++;
	h->sum += value;
}

uint64_t
hist_total(const struct hist *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i <= HIST_BOUNDS_MAX; i++)
		n += h->count[i];
	return n;
}

double
hist_quantile(const struct hist *h, const struct hist_scale *scale, double q)
{
	double rank = q * (double)hist_total(h), below = 0;
	double from = 0, to = 0;

	for (size_t i = 0; i < scale->nbounds; i++) {
		double n = (double)h->count[i];

		from = to;
		to = (double)scale->bound[i] * scale->unit;
		if (n > 0 && below + n >= rank)
			return from + (to - from) * (rank - below) / n;
		below += n;
	}
	return hist_total(h) > 0 ? to : -1;
}
