/*
 * answer - a fixed 202, of as many bytes as one of deferd's.
 */
#ifndef BENCH_PEERS_ANSWER_H
#define BENCH_PEERS_ANSWER_H

static const char answer[] =
	"Status: 202 Accepted\r\n"
	"Content-Type: application/json\r\n"
	"Location: /jobs/status/00000000000000000000000000000000\r\n"
	"Retry-After: 1\r\n"
	"Deferd-Task: 00000000000000000000000000000000\r\n"
	"Deferd-State: running\r\n"
	"Cache-Control: no-store\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"Content-Length: 153\r\n"
	"\r\n"
	"{\"id\":\"00000000000000000000000000000000\",\"state\":\"running\","
	"\"status\":\"/jobs/status/00000000000000000000000000000000\","
	"\"created\":\"2026-01-01T00:00:00.000Z\"}";

#endif
