/*
 * fcgi - a FastCGI program that answers a fixed 202 to everybody.
 *
 *	fcgi SOCKET THREADS
 *
 * With libfcgi, as such programs are written: cgi-fcgi(1) stands before it as a
 * CGI program, and does what the door does, but waits for the answer.
 */
#include <fcgiapp.h>
#include <pthread.h>
#include <stdlib.h>

#define BACKLOG	1024

/* As many bytes as an answer of deferd's. */
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

static int listener;

static void *
serve(void *arg)
{
	FCGX_Request r;

	if (FCGX_InitRequest(&r, listener, 0) != 0)
		exit(1);
	while (FCGX_Accept_r(&r) == 0) {
		FCGX_PutStr(answer, sizeof(answer) - 1, r.out);
		FCGX_Finish_r(&r);
	}
	return arg;
}

int
main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 3 || FCGX_Init() != 0)
		return 2;
	listener = FCGX_OpenSocket(argv[1], BACKLOG);
	if (listener == -1)
		return 1;
	for (int n = atoi(argv[2]); n > 1; n--)
		if (pthread_create(&thread, NULL, serve, NULL) != 0)
			return 1;
	serve(NULL);
	return 0;
}
