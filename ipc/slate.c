/*
 * slate - what a worker is doing, readable after its death.
 *
 * The memory is a memfd whose size is sealed before anybody else sees it: a
 * reader that has checked the seals can never be hit by SIGBUS because the
 * other side cut the file.  Its pages are allocated at once for the same
 * reason: a child between vfork and exec must not be the one who finds out
 * that memory is short.
 *
 * The attempt is the word that makes a slot valid: it is written last and
 * released, so whoever reads it first sees the task that belongs to it.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/slate.h"

#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static_assert(sizeof(struct slate_slot) == 32, "two slots to a cache line");
static_assert(ATOMIC_INT_LOCK_FREE == 2, "a lock would not survive vfork");

int
slate_create(unsigned int nslots)
{
	off_t bytes = (off_t)(nslots * sizeof(struct slate_slot));
	int fd, error;

	if (nslots < 1 || nslots > SLATE_SLOTS_MAX) {
		errno = EINVAL;
		return -1;
	}
	fd = memfd_create("deferd-slate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	if (fallocate(fd, 0, 0, bytes) == -1 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) == -1) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Whole slots, not too many of them, and sealed to stay that way. */
static int
check_size(int fd, size_t *bytes)
{
	struct stat st;
	int seals;

	if ((seals = fcntl(fd, F_GET_SEALS)) == -1 || fstat(fd, &st) == -1)
		return -1;
	if ((seals & SEALS) != SEALS || st.st_size <= 0 ||
	    st.st_size % (off_t)sizeof(struct slate_slot) != 0 ||
	    st.st_size > (off_t)(SLATE_SLOTS_MAX * sizeof(struct slate_slot))) {
		errno = EINVAL;
		return -1;
	}
	*bytes = (size_t)st.st_size;
	return 0;
}

static int
map(struct slate *s, int fd, int prot)
{
	size_t bytes;
	void *p;

	if (check_size(fd, &bytes) == -1)
		return -1;
	if ((p = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0)) == MAP_FAILED)
		return -1;
	s->slot = p;
	s->bytes = bytes;
	s->nslots = (unsigned int)(bytes / sizeof(struct slate_slot));
	return 0;
}

int
slate_map_writer(struct slate *s, int fd)
{
	return map(s, fd, PROT_READ | PROT_WRITE);
}

int
slate_map_reader(struct slate *s, int fd)
{
	return map(s, fd, PROT_READ);
}

void
slate_unmap(struct slate *s)
{
	if (s->slot != NULL)
		munmap(s->slot, s->bytes);
	*s = (struct slate){ .slot = NULL };
}

void
slate_set(struct slate_slot *slot, const unsigned char *task, uint32_t attempt)
{
	atomic_store(&slot->attempt, 0);
	memcpy(slot->task, task, TASK_ID_BYTES);
	atomic_store(&slot->pgid, 0);
	atomic_store(&slot->signo, 0);
	atomic_store(&slot->attempt, attempt);
}

/* The group goes first: its number is free again once it has been reaped. */
void
slate_clear(struct slate_slot *slot)
{
	atomic_store(&slot->pgid, 0);
	atomic_store(&slot->signo, 0);
	atomic_store(&slot->attempt, 0);
}

int
slate_culprit(const struct slate *s)
{
	int signo = 0;

	for (unsigned int i = 0; i < s->nslots && signo == 0; i++)
		signo = atomic_load(&s->slot[i].signo);
	return signo;
}
