/*
 * fuzz_frame - a frame from a worker, where user code lives.
 *
 * Promise: what decodes is encoded to the very bytes it came from.
 */
#include "config.h"

#include "ipc/frame.h"
#include "ipc/sock.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *data = fuzz_copy(bytes, size);
	struct frame f;
	struct buf b;

	if (frame_decode(&f, data, size) == 0) {
		buf_init(&b, FRAME_MAX);
		EXPECT(frame_name(f.kind) != NULL);
		EXPECT(frame_fds(&f) >= 0 && frame_fds(&f) <= SOCK_FDS_MAX);
		EXPECT(frame_encode(&b, &f) == 0);
		EXPECT(buf_len(&b) == size);
		EXPECT(memcmp(buf_data(&b), data, size) == 0);
		buf_fini(&b);
	}
	free(data);
	return 0;
}
