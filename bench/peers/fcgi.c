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

#include "bench/peers/answer.h"

#define BACKLOG	1024

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
