/*
 * fuzz_conn - a whole connection: bytes, pauses, descriptors, disconnects.
 *
 * Server, connections, scheduler and memory store are the real ones
 * (tests/conn_rig.h); the input is what a client does, one step after the
 * other.  Promises: whatever it does, the connection ends once the client is
 * gone, nothing stays reserved, and no descriptor is left open.
 */
#include "config.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "tests/conn_rig.h"
#include "tests/fuzz/fuzz.h"

/* What a step is; its first byte, and what follows that. */
enum step {
	STEP_SEND,		/* a length, the bytes */
	STEP_HEAD,		/* two lengths: the bytes as a netstring, then more */
	STEP_PASS,		/* which descriptors, a length, the bytes */
	STEP_BODY,		/* a length, the bytes: into the door's stdin */
	STEP_TURN,		/* the loop turns */
	STEP_READ,		/* reads what there is of an answer */
	STEP_SHUT,		/* no more comes from the client */
	STEP_CLOSE_IN,		/* the door's stdin ends */
	STEP_CLOSE_OUT,		/* nobody reads the door's stdout any more */
	STEP_CLOSE,		/* the connection is closed */
	STEP_N
};

/* What a client may pass in the place of a door's stdin and stdout. */
enum passed { PASS_SOCKET, PASS_PIPES, PASS_NULL, PASS_FILE, PASS_ONE,
	PASS_MANY, PASS_WRONG, PASS_N };

static struct client client;

static void
open_rig(void)
{
	rig_open("inline = \"1K\"\nmax-body = \"4K\"\nmax-store = \"1M\"\n"
	    "max-wait = 1\nhead-deadline = 1\nbody-deadline = 1\n"
	    "send-deadline = 1\n");
}

static size_t
length(struct fuzz_input *in)
{
	unsigned int n = fuzz_byte(in);

	return n < 0xf0 ? n : (n & 0xf) << 8 | fuzz_byte(in);
}

static void
send_bytes(int fd, const void *data, size_t n)
{
	if (fd != -1)
		(void)client_send(fd, data, n);
}

static void
send_head(struct fuzz_input *in)
{
	size_t n = length(in), more = length(in);
	const uint8_t *block = fuzz_bytes(in, &n);
	const uint8_t *behind = fuzz_bytes(in, &more);
	char text[16];
	int len = snprintf(text, sizeof(text), "%zu:", n);

	send_bytes(client.fd, text, (size_t)len);
	send_bytes(client.fd, block, n);
	send_bytes(client.fd, ",", 1);
	send_bytes(client.fd, behind, more);
}

/* Descriptors of that kind, to be passed and then closed; how many. */
static int
open_passed(enum passed kind, int fds[4])
{
	static struct client door;

	switch (kind) {
	case PASS_SOCKET:
	case PASS_PIPES:
		client_open_door(&door, kind == PASS_SOCKET ? DOOR_SOCKET :
		    DOOR_PIPES, fds);
		client.in = door.in;
		client.out = door.out;
		return 2;
	case PASS_FILE:
		fds[0] = memfd_create("fuzz", MFD_CLOEXEC);
		fds[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
		return 2;
	case PASS_WRONG:
		fds[0] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fds[1] = open("/dev/zero", O_RDWR | O_CLOEXEC);
		return 2;
	default:
		for (int i = 0; i < 4; i++)
			fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		return kind == PASS_ONE ? 1 : kind == PASS_MANY ? 3 : 2;
	}
}

static void
pass(struct fuzz_input *in)
{
	enum passed kind = fuzz_byte(in) % PASS_N;
	size_t n = length(in);
	struct iovec iov;
	int fds[4] = { -1, -1, -1, -1 }, nfds;

	iov.iov_base = (void *)fuzz_bytes(in, &n);
	iov.iov_len = n;
	if (client.fd == -1 || n == 0 || client.in != -1 || client.out != -1)
		return;
	nfds = open_passed(kind, fds);
	if (sock_send(client.fd, &iov, 1, fds, nfds, MSG_DONTWAIT) == -1)
		(void)0;		/* the master was faster to close it */
	for (int i = 0; i < 4; i++)
		if (fds[i] != -1)
			close(fds[i]);
}

static void
close_end(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
read_answer(void)
{
	char bytes[4096];
	int fd = client.out != -1 ? client.out : client.fd;

	if (fd != -1 && read(fd, bytes, sizeof(bytes)) == -1)
		(void)0;		/* nothing is there, or never will be */
}

static void
take_step(struct fuzz_input *in)
{
	enum step step = fuzz_byte(in) % STEP_N;
	const uint8_t *bytes;
	size_t n;

	switch (step) {
	case STEP_SEND:
	case STEP_BODY:
		n = length(in);
		bytes = fuzz_bytes(in, &n);
		send_bytes(step == STEP_SEND ? client.fd : client.in, bytes, n);
		break;
	case STEP_HEAD:
		send_head(in);
		break;
	case STEP_PASS:
		pass(in);
		break;
	case STEP_TURN:
		rig_idle();
		break;
	case STEP_READ:
		read_answer();
		break;
	case STEP_SHUT:
		if (client.fd != -1)
			(void)shutdown(client.fd, SHUT_WR);
		break;
	case STEP_CLOSE_IN:
		close_end(&client.in);
		break;
	case STEP_CLOSE_OUT:
		close_end(&client.out);
		break;
	default:
		close_end(&client.fd);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = { bytes, size };
	static bool is_open;

	if (!is_open)
		open_rig();
	is_open = true;
	client_connect(&client, fuzz_byte(&in) & 1 ? rig.control_path :
	    rig.data_path);
	for (int steps = 0; in.left > 0 && steps < 64; steps++)
		take_step(&in);
	rig_idle();
	client_close(&client);
	rig_wait_closed();
	if (rig_tasks() == 0) {
		rig_assert_clean();
		return 0;
	}
	/* A task keeps the file of its body: what is left then is nobody's. */
	rig_close();
	is_open = false;
	return 0;
}
