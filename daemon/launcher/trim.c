/*
 * trim - gives back what only the start needed.
 */
#include "daemon/launcher/trim.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * A segment that cannot be written holds what is in the file and nothing
 * else, so it can be dropped at any time, this function's own too.
 */
static int
trim_object(struct dl_phdr_info *object, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from, to;
	const ElfW(Phdr) *p = object->dlpi_phdr, *end = p + object->dlpi_phnum;

	(void)size;
	(void)arg;
	for (; p < end; p++) {
		if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
			continue;
		from = (object->dlpi_addr + p->p_vaddr) & ~(page - 1);
		to = object->dlpi_addr + p->p_vaddr + p->p_memsz;
		madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void
trim(void)
{
	dl_iterate_phdr(trim_object, NULL);
}
