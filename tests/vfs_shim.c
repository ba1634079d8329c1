/*
 * vfs_shim - see vfs_shim.h.
 *
 * An open file is ours with the real one behind it, in one allocation that
 * SQLite makes (szOsFile).
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

#include "tests/vfs_shim.h"

const char *const shim_names[SHIM_KIND_N] = {
	[SHIM_OPEN] = "open",
	[SHIM_READ] = "read",
	[SHIM_WRITE] = "write",
	[SHIM_WRITE_HALF] = "write, half done",
	[SHIM_WRITE_DONE] = "write, done",
	[SHIM_SYNC] = "sync",
	[SHIM_SYNC_DONE] = "sync, done",
	[SHIM_TRUNCATE] = "truncate",
	[SHIM_DELETE] = "delete",
	[SHIM_SHM] = "shm",
};

struct shim_file {
	sqlite3_file	 file;
	sqlite3_file	*real;
};

static sqlite3_vfs *real_vfs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum shim_kind armed = SHIM_KIND_N;	/* SHIM_KIND_N: none */
static int before, times_left, fired;
static bool disk_full;

static bool
fails(enum shim_kind kind)
{
	bool now = false;

	pthread_mutex_lock(&lock);
	if (kind == armed && --before <= 0 && times_left > 0) {
		times_left--;
		fired++;
		now = true;
	}
	pthread_mutex_unlock(&lock);
	return now;
}

static sqlite3_file *
real(sqlite3_file *f)
{
	return ((struct shim_file *)f)->real;
}

static int
shim_close(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}

static int
shim_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at)
{
	if (fails(SHIM_READ))
		return SQLITE_IOERR_READ;
	return real(f)->pMethods->xRead(real(f), data, n, at);
}

static int
shim_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	int error = disk_full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	int rc;

	if (fails(SHIM_WRITE))
		return error;
	if (fails(SHIM_WRITE_HALF)) {
		real(f)->pMethods->xWrite(real(f), data, n / 2, at);
		return error;
	}
	rc = real(f)->pMethods->xWrite(real(f), data, n, at);
	return fails(SHIM_WRITE_DONE) ? error : rc;
}

static int
shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (fails(SHIM_TRUNCATE))
		return SQLITE_IOERR_TRUNCATE;
	return real(f)->pMethods->xTruncate(real(f), size);
}

static int
shim_sync(sqlite3_file *f, int flags)
{
	int rc;

	if (fails(SHIM_SYNC))
		return SQLITE_IOERR_FSYNC;
	rc = real(f)->pMethods->xSync(real(f), flags);
	return fails(SHIM_SYNC_DONE) ? SQLITE_IOERR_FSYNC : rc;
}

static int
shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real(f)->pMethods->xFileSize(real(f), size);
}

static int
shim_lock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xLock(real(f), level);
}

static int
shim_unlock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xUnlock(real(f), level);
}

static int
shim_reserved(sqlite3_file *f, int *out)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int
shim_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int
shim_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int
shim_device(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int
shim_shm_map(sqlite3_file *f, int page, int size, int extend,
    void volatile **out)
{
	if (extend && fails(SHIM_SHM))
		return disk_full ? SQLITE_FULL : SQLITE_IOERR_SHMSIZE;
	return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}

static int
shim_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void
shim_shm_barrier(sqlite3_file *f)
{
	real(f)->pMethods->xShmBarrier(real(f));
}

static int
shim_shm_unmap(sqlite3_file *f, int delete_it)
{
	return real(f)->pMethods->xShmUnmap(real(f), delete_it);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_reserved,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_device,
	.xShmMap = shim_shm_map,
	.xShmLock = shim_shm_lock,
	.xShmBarrier = shim_shm_barrier,
	.xShmUnmap = shim_shm_unmap,
};

static int
shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
    int *out_flags)
{
	struct shim_file *sf = (struct shim_file *)f;
	int rc;

	(void)vfs;
	sf->file.pMethods = NULL;
	if (fails(SHIM_OPEN))
		return SQLITE_CANTOPEN;
	sf->real = (sqlite3_file *)(sf + 1);
	rc = real_vfs->xOpen(real_vfs, name, sf->real, flags, out_flags);
	if (sf->real->pMethods)
		sf->file.pMethods = &methods;
	return rc;
}

static int
shim_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	(void)vfs;
	if (fails(SHIM_DELETE))
		return SQLITE_IOERR_DELETE;
	return real_vfs->xDelete(real_vfs, name, sync_dir);
}

void
shim_install(void)
{
	static sqlite3_vfs vfs;

	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.pNext = NULL;
	vfs.zName = "shim";
	vfs.szOsFile += (int)sizeof(struct shim_file);
	vfs.xOpen = shim_open;
	vfs.xDelete = shim_delete;
	sqlite3_vfs_register(&vfs, 1);
}

void
shim_arm(enum shim_kind kind, int nth, int times, bool full)
{
	pthread_mutex_lock(&lock);
	armed = kind;
	before = nth;
	times_left = times;
	fired = 0;
	disk_full = full;
	pthread_mutex_unlock(&lock);
}

void
shim_disarm(void)
{
	pthread_mutex_lock(&lock);
	armed = SHIM_KIND_N;
	pthread_mutex_unlock(&lock);
}

int
shim_fired(void)
{
	int n;

	pthread_mutex_lock(&lock);
	n = fired;
	pthread_mutex_unlock(&lock);
	return n;
}
